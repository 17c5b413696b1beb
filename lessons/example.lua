-- The example of README.md: a lesson with one of each common step. `saffron check lessons/example.lua` proves it.
return lesson {
  id = "coarse-cup", title = "A coarse cup", win = "say which values a shared scale loses", minutes = 4,

  read {
    id = "setting", title = "One cup",
    "One scale for a whole tensor is one cup for every measure in the recipe.",
    view.quote "The flour sack fits. The pinch of salt reads zero.",
  },

  predict {
    id = "zeros", rev = 1, title = "Who vanishes?",
    ask = "One value in 1,000 is 60 times larger. INT8, one scale. What share becomes exactly 0?",
    number = { unit = "%", scale = "log", within = "25 %", from = 0.1, to = 100 },
    hints = { "How wide is one step now?", "Half a step on either side of 0 becomes 0." },
    wrong = { 0.1, 5 },
    knobs = { times = { 60, from = 1, to = 100, scale = "log", label = "outlier size" } },
    compute = function(lab, knob)
      local x = lab.gaussian { n = 2 ^ 20, outliers = 0.001, times = knob.times }
      local q = lab.quantize(x, { format = "int8", scale = "tensor" })
      return { answer = 100 * q.zero_fraction, x = x, q = q }
    end,
    reveal = function(outcome, guess)
      local q = outcome.q
      local blocks = {
        view.hist { outcome.x, grid = q, title = "Values, and the steps of INT8", from = -4 * q.step, to = 4 * q.step },
        "The outlier fits. Its neighbors pay: one step is " .. fmt(q.step) .. " wide, and what is less than half a step"
          .. " from 0 becomes 0.",
      }
      if guess and guess.hit == false then
        blocks[#blocks + 1] = view.note { title = "To do it by hand", "The largest of 2^20 such values is near 230."
          .. " Divide by 127, halve it, and ask how much of a bell curve lies that close to 0." }
      end
      return blocks
    end,
    card = {
      front = "One big outlier, one INT8 scale: who is damaged?",
      back = "The ordinary values: the step is as wide as the outlier needs it.",
      again = "Why do typical values vanish when one value is 60 times larger?",
    },
  },

  predict {
    id = "format", title = "Which format shrugs?",
    ask = "The same values, still one scale. Which format keeps more of the signal?",
    choice = { { "int8", "INT8" }, { "e4m3", "FP8 E4M3" } },
    hints = { "Which of the two has steps that grow with the value?" },
    knobs = { times = { 60, from = 1, to = 100, scale = "log", label = "outlier size" } },
    compute = function(lab, knob)
      local x = lab.gaussian { n = 2 ^ 18, outliers = 0.001, times = knob.times }
      return {
        int8 = lab.quantize(x, { format = "int8" }).sqnr_db,
        e4m3 = lab.quantize(x, { format = "e4m3" }).sqnr_db,
      }
    end,
    correct = function(outcome) return outcome.int8 > outcome.e4m3 and "int8" or "e4m3" end,
    reveal = function(outcome)
      return {
        view.bars { { label = "INT8", value = outcome.int8 }, { label = "FP8 E4M3", value = outcome.e4m3 }, unit = "dB" },
        "Even steps share one fate; steps that grow with the value do not. Turn the knob down and INT8 wins.",
      }
    end,
    card = {
      front = "Outliers and one scale: INT8 or E4M3?",
      back = "E4M3 while outliers are large, INT8 when all values are alike.",
      answer = { "E4M3", "FP8 E4M3" }, -- typed at recall; a number may have a unit, and `within`
      again = "Which 8-bit format does a large outlier hurt less, and why?",
    },
    dives = { "groups" },
  },

  explain {
    id = "colleague", title = "In your words",
    ask = "Explain to a colleague why one outlier makes a tensor's small values vanish under INT8.",
    model = "All values share one step, and the step is the largest value divided by 127. A huge value makes the step"
      .. " wider than most of the others, so they round to 0.",
  },

  dive {
    id = "groups", title = "Do smaller groups cure it?",
    "Fewer values under one scale means fewer neighbors who pay.",
    compute = function(lab)
      local x = lab.gaussian { rows = 64, cols = 4096, outliers = 0.001, times = 60 }
      return { zeros = lab.quantize(x, { format = "int8", scale = "group:128" }).zero_fraction }
    end,
    reveal = function(outcome) return { "In groups of 128 only " .. fmt(100 * outcome.zeros) .. " % become 0." } end,
  },

  recall {
    id = "cup", title = "The cup",
    front = "What decides the width of an INT8 step?", back = "The largest value under the scale, divided by 127.",
  },
}
