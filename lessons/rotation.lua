-- Spread it out: the Hadamard rotation, which changes no output, which large values it tames, and whom it hurts.
-- Seeded twins of a layer, real activations of MiniLM and SmolLM2, and the lab model; planted only where a step says so.

local function percent(x) return fmt(x) .. " %" end
local function db(x) return string.format("%.1f dB", x) end
local function bits(x) return string.format("%.2f", math.abs(x) < 0.005 and 0 or x) end

local function rounded(lab, x, format)
  return lab.quantize(x, { format = format, scale = (format == "int4" or format == "int8" or format == "e4m3") and "token" or nil })
end

-- Weights with a scale a row, by a method; and activations with a scale a token, where a format is given.
local function integers(format, method, activations)
  return { weights = { format = format, scale = "channel", method = method }, activations = activations and { format = activations, scale = "token" } or nil }
end

-- INT8 for both, with one scale for X that was fixed on other text.
local function fixed(method)
  return { weights = { format = "int8", scale = "channel", method = method }, activations = { format = "int8", scale = "tensor" } }
end

-- Seeded signs, as one row; another stream gives others.
local function signs(lab, n, stream)
  local noise, list = lab.gaussian { rows = 1, cols = n, stream = stream }, {}
  for j = 1, n do list[j] = noise:at(1, j) < 0 and -1 or 1 end
  return lab.values(list)
end

return lesson {
  id = "rotation", title = "Spread it out", course_part = "C", minutes = 14, needs = { "outliers" },
  win = "say what a rotation changes, which large values it spreads, and which formats lose by it",
  sources = {
    "arXiv:2404.00456 QuaRot; arXiv:2405.16406 SpinQuant",
    "arXiv:2509.23202 on FP4 formats and rotations",
    "sentence-transformers/all-MiniLM-L6-v2 and HuggingFaceTB/SmolLM2-135M-Instruct (both Apache-2.0) for the real activations",
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
  },

  -- the turn --------------------------------------------------------------------------------------------------------

  part { id = "turn", title = "the turn", core = true },

  read {
    id = "setting", title = "Turn the sheet",
    "An output of a layer is one long sum: each channel of the token times its weight. Turn token and weights by the same rotation, and the sum stays what it was, as the angle between two arrows does when you turn the sheet they are drawn on.",
    "The Hadamard rotation only adds and subtracts: each new value is the sum of all old ones under a pattern of plus and minus of its own, divided in the end by the square root of their number. With four values:",
    view.table { columns = { "", "1st", "2nd", "3rd", "4th", "squares add up to" }, rows = { { "a token", "8", "0", "0", "0", "64" }, { "rotated", "4", "4", "4", "4", "64" } } },
    "Nothing was lost: the same rotation again brings 8, 0, 0, 0 back. But the largest value, which sets INT4's step, is half of what it was.",
    view.quote "Stir the flour into everything, and no jar is a sack any more. You can bake from it if you stirred the recipe alike.",
  },

  predict {
    id = "spread", title = "What becomes of the largest",
    ask = {
      "256 tokens of 512 channels. Six channels are 20 to 60 times larger than the rest. Each token is rotated.",
      "How large is the largest value now?",
    },
    given = function(lab)
      local x = lab.gaussian { rows = 256, cols = 512, channels = 6, channel_times = { 20, 60 } }
      return { view.table { columns = { "before the rotation", "" }, rows = { { "largest value", fmt(x.amax) }, { "typical value (rms)", fmt(x.rms) }, { "rms without the six", fmt(x:replaced(0, { x:columns()[1].index + 1, x:columns()[2].index + 1, x:columns()[3].index + 1, x:columns()[4].index + 1, x:columns()[5].index + 1, x:columns()[6].index + 1 }).rms) } } } }
    end,
    number = { unit = "", scale = "log", within = "1.5 x", from = 0.1, to = 1000 },
    hints = {
      "The squares still add up to the same, so the rms stays.",
      "512 sums of many values under random signs: a bell curve. How far does the largest of 131,072 reach?",
    },
    wrong = { 0.4, 100, 1 },
    knobs = {
      channels = { 6, from = 1, to = 64, scale = "log", label = "large channels", at = 1 },
      times = { 60, from = 1, to = 500, scale = "log", label = "up to, times", at = 2 },
    },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 256, cols = 512, channels = math.floor(knob.channels + 0.5), channel_times = { knob.times / 3, knob.times } }
      local w = lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
      local r = x:rotated()
      return { answer = r.amax, x = x, r = r, same = lab.compare(lab.product(x, w), lab.product(r, w:rotated())).sqnr_db,
               four = { rounded(lab, x, "int4").sqnr_db, rounded(lab, r, "int4").sqnr_db }, rms = { x.rms, r.rms }, amax = { x.amax, r.amax } }
    end,
    reveal = function(o)
      return {
        view.maps { beside = true, title = "Token by channel", maps = { { o.x, label = "as it is", note = "largest " .. fmt(o.amax[1]) }, { o.r, label = "rotated", note = "largest " .. fmt(o.amax[2]) } } },
        o.amax[2] < o.amax[1] and string.format("%s instead of %s. The stripes are gone: each of the 512 places holds a little of all of them. The sums of squares are kept, so the rms is, and a bell curve ends at 4 to 5 times its rms.", fmt(o.amax[2]), fmt(o.amax[1]))
          or string.format("%s instead of %s: nothing stood out, so nothing was spread. A bell curve turned is a bell curve.", fmt(o.amax[2]), fmt(o.amax[1])),
        view.table { columns = { "", "as it is", "rotated" }, rows = { { "largest value", fmt(o.amax[1]), fmt(o.amax[2]) }, { "rms", fmt(o.rms[1]), fmt(o.rms[2]) }, { "INT4, a scale a token", db(o.four[1]), db(o.four[2]) } } },
        o.four[2] < o.four[1] - 0.3 and "INT4's dB fall here: channels this large are nearly all of the signal, they round well as they are, and the others are lost before the turn and after it."
          or o.four[2] > o.four[1] + 0.3 and "INT4 gains, since a token's largest value sets its step." or "For INT4 that is no difference.",
        string.format("And the layer's output? With the weights rotated alike it agrees to %.0f dB, which is FP32's own rounding. Nothing changed but who is large.", o.same),
      }
    end,
    card = {
      front = "A layer's tokens and weights are rotated by the same Hadamard matrix. What stays, and what shrinks?",
      back = "A rotation keeps the exact output and the rms. The largest value falls to 4 or 5 times the rms, and with it the step of INT4 or INT8.",
      again = "Why may one rotate X at all, if W is rotated too?",
    },
    dives = { "cost", "smooth-or-rotate", "width" },
  },

  predict {
    id = "ones", title = "A calm token",
    ask = "A token without any outlier: all of its 512 values are exactly 1. It is rotated. How large is its largest value now?",
    number = { unit = "", scale = "log", within = "5 %", from = 0.01, to = 1000 },
    hints = {
      "The squares add up to 512, before and after.",
      "One of the 512 patterns is plus everywhere. What is that sum, and what is left for the others?",
    },
    wrong = { 1, 4.5, 0.044 },
    knobs = {
      width = { "512", choices = { "16", "128", "512", "4096" }, label = "values", at = 1 },
      token = { "all 1", choices = { "all 1", "1 and -1 in turn", "random signs" }, label = "token", at = 2 },
    },
    compute = function(lab, knob)
      local n = tonumber(knob.width)
      local ones = lab.gaussian { rows = 1, cols = n }:with { value = 1 }
      local turn = {}
      for j = 1, n do turn[j] = j % 2 == 1 and 1 or -1 end
      local x = knob.token == "all 1" and ones or ones:multiplied(knob.token == "random signs" and signs(lab, n, 1) or lab.values(turn))
      local r, cured = x:rotated(), x:multiplied(signs(lab, n, 2)):rotated()
      local place = r:top(1)[1].col
      return { answer = r.amax, r = r, zeros = n - r:count(1e-4), n = n, place = place, cured = cured.amax, token = knob.token }
    end,
    reveal = function(o)
      return {
        view.bars { title = "The largest value", from = 0, bars = {
          { label = "the token", value = 1 }, { label = "rotated", value = o.answer, role = "outcome" }, { label = "signs flipped, rotated", value = o.cured } } },
        o.token == "random signs" and string.format("%s. Random signs follow none of the %d patterns, so they stay spread out.", fmt(o.answer), o.n)
          or string.format("%s, the square root of %d. The token is itself one of the patterns: that sum gets everything, at place %d, and the other %d are 0. A rotation made the outlier.", fmt(o.answer), o.n, o.place, o.zeros),
        "A rotation has no sense of outliers. It spreads what lies along a channel, and gathers what lies along one of its patterns. Turning back must undo turning, so it cannot be otherwise.",
        string.format("Hence the random signs that QuaRot puts before it: flip channels by a coin first (and the weights alike), and no ordinary token fits a pattern. Here: %s.", fmt(o.cured)),
      }
    end,
    card = {
      front = "512 values, all exactly 1, go through a Hadamard rotation. What is the largest one now?", answer = 22.6, within = "5 %",
      back = "512 ones become one value of 22.6, the square root of 512, and zeros. A rotation gathers what lies along one of its patterns; random signs before it prevent that.",
      again = "How large an outlier can a Hadamard rotation make of 512 ones?",
    },
  },

  -- who gains -------------------------------------------------------------------------------------------------------

  part { id = "formats", title = "who gains", core = true },

  predict {
    id = "nvfp4", title = "Sixteen values a scale",
    ask = {
      "Real activations: what enters MiniLM's feed-forward part, with two large channels of 384. INT4 gains by the rotation, as it should.",
      "NVFP4 has 4 bits too, and a scale for each 16 values. How many dB does the same rotation bring it?",
    },
    given = function(lab)
      local x = lab.tensor("minilm/wide_ffn_in"):take(512)
      return { view.bars { title = "INT4, a scale a token", unit = "dB", from = 0, bars = { { label = "as it is", value = rounded(lab, x, "int4").sqnr_db }, { label = "rotated", value = rounded(lab, x:rotated(), "int4").sqnr_db } } } }
    end,
    number = { unit = "dB", scale = "linear", within = "1 point", from = -6, to = 14 },
    hints = {
      "Who shares a step with the large channel in NVFP4, and who does after the rotation?",
      "15 neighbors pay for it, and 368 values do not know of it. Until it is stirred in.",
    },
    wrong = { 10, 5, 2 },
    knobs = {
      format = { "nvfp4", choices = { "nvfp4", "mxfp4", "int4", "int8", "e4m3" }, label = "format", at = 1 },
      layer = { "feed-forward", choices = { "query", "feed-forward", "after GELU" }, label = "what enters", at = 2 },
    },
    compute = function(lab, knob)
      local x = lab.tensor(knob.layer == "query" and "minilm/wide_attention_in" or knob.layer == "feed-forward" and "minilm/wide_ffn_in" or "minilm/wide_ffn_out_in")
      x = x:take(math.min(512, x.rows))
      local r, made = x:rotated(), {}
      local flipped = rounded(lab, x:multiplied(signs(lab, x.cols, 1)):rotated(), "int4").sqnr_db
      for i, f in ipairs { "int4", "mxfp4", "nvfp4" } do made[i] = { label = f:upper(), before = rounded(lab, x, f).sqnr_db, after = rounded(lab, r, f).sqnr_db, id = f } end
      local before, after = rounded(lab, x, knob.format), rounded(lab, r, knob.format)
      return { answer = after.sqnr_db - before.sqnr_db, made = made, before = before.sqnr_db, after = after.sqnr_db, format = knob.format, flipped = flipped }
    end,
    reveal = function(o)
      local bars, low, high, nv, gain = {}, math.huge, -math.huge, o.made[3], {}
      for i = 1, 2 do
        if o.made[i].after > o.made[i].before then gain[#gain + 1] = o.made[i].label end
      end
      for _, m in ipairs(o.made) do
        bars[#bars + 1] = { label = m.label, value = m.before }
        bars[#bars + 1] = { label = m.label .. ", rotated", value = m.after, role = m.id == o.format and "outcome" or nil }
        low, high = math.min(low, m.after), math.max(high, m.after)
      end
      return {
        view.bars { title = "Signal over error", unit = "dB", from = 0, bars = bars },
        string.format("%s: from %s to %s, %s. ", o.format:upper(), db(o.before), db(o.after), o.answer < 0 and "worse" or "better")
          .. (high - low >= 4 and o.flipped > o.made[1].after + 1 and string.format("INT4 ends at %s only: these tokens have a mean, which is the pattern of plus everywhere, and the rotation gathers it in one place. With random signs first it reaches %s.", db(o.made[1].after), db(o.flipped))
            or string.format("Rotated, all three formats meet %s and end between %s and %s.", high - low < 4 and "the same bell curve" or "the same values", db(low), db(high))),
        (#gain == 0 and "" or table.concat(gain, " and ") .. (#gain == 1 and " gains. " or " gain. ")) .. (nv.after < nv.before and "NVFP4 stood higher than a bell curve lets it: its small blocks had walled the large channels in, with 15 neighbors each, and everyone else was small and exact. The rotation stirs them into all blocks."
          or "NVFP4 had no large channels walled in here, so it loses nothing."),
        (o.format == "e4m3" and "E4M3's steps follow each value, so no neighbor had to be cured. " or "And E4M3? The knob has it. ") .. "On Llama-3.1-8B with 4-bit weights and activations the same signs were found: a rotation took NVFP4 from 94.7 to 93.8 % of the benchmark score, and lifted MXFP4 from 87.8 to 89.3 % (arXiv:2509.23202, cited).",
      }
    end,
    card = {
      front = "Rotate activations with outlier channels: who gains, and who loses, of INT4 a token, MXFP4 and NVFP4?",
      back = "Rotate outlier channels, and INT4 gains most, MXFP4 some; NVFP4 loses: its blocks of 16 had walled the outliers in. Rotated, all end near the same bell curve.",
      again = "Why can a rotation make NVFP4 worse?",
    },
    dives = { "weights", "kv" },
  },

  -- where it reaches ------------------------------------------------------------------------------------------------

  part { id = "where", title = "where it reaches", core = true },

  predict {
    id = "massive", title = "One value of 2,550",
    ask = {
      "What enters down in a layer of SmolLM2: 256 tokens by 1,536 channels. A single value at the first token is 2,550; the other tokens stay near 0.2. INT8 with one scale for all turns practically everything into 0.",
      "Rotated, the largest value is only 87. What share of the values becomes 0 now?",
    },
    given = function(lab)
      local x = lab.tensor "smollm2/down_in"
      local q = lab.quantize(x, { format = "int8", scale = "tensor" })
      return { view.table { columns = { "as it is", "" }, rows = { { "largest value", fmt(x.amax) }, { "rms of tokens 2 to 256", fmt(x:with { rows = 1, value = 0 }.rms) }, { "turned into 0", string.format("%.3f %%", 100 * q.zero_fraction) } } } }
    end,
    number = { unit = "%", scale = "linear", within = "10 points", from = 0, to = 100 },
    hints = {
      "A rotation stirs the channels of one token. Does it stir tokens?",
      "The step is 87 / 127. How large are the values of the other tokens?",
    },
    wrong = { 1, 30, 60 },
    knobs = {
      scale = { "tensor", choices = { "tensor", "token" }, label = "one scale a", at = 1 },
      format = { "int8", choices = { "int8", "int4" }, label = "format", at = 2 },
    },
    compute = function(lab, knob)
      local x = lab.tensor "smollm2/down_in"
      local r = x:rotated()
      local function zeros(t, scale) return 100 * lab.quantize(t, { format = knob.format, scale = scale }).zero_fraction end
      local top = x:top(1)[1]
      local rest = r:with { rows = top.row, value = 0 }.rms
      return { answer = zeros(r, knob.scale), x = x, r = r, list = { zeros(x, "tensor"), zeros(r, "tensor"), zeros(x, "token"), zeros(r, "token") }, scale = knob.scale,
               row = top.row, first = math.sqrt((r.rms ^ 2 - rest ^ 2) * r.rows), rest = rest, amax = { x.amax, r.amax }, cols = x.cols }
    end,
    reveal = function(o)
      local bars = {}
      for i, label in ipairs { "one scale", "rotated, one scale", "a scale a token", "rotated, scale a token" } do
        bars[i] = { label = label, value = o.list[i], role = (o.scale == "tensor" and i == 2 or o.scale == "token" and i == 4) and "outcome" or nil }
      end
      return {
        view.maps { beside = true, title = "Token by channel", maps = { { o.x, label = "as it is", note = "largest " .. fmt(o.amax[1]) }, { o.r, label = "rotated", note = "largest " .. fmt(o.amax[2]) } } },
        view.bars { title = "Turned into 0", unit = "%", from = 0, to = 100, bars = bars },
        string.format("%s now has %s values of about %s. The other tokens stayed as small as they were (%s), and %s.", o.row == 1 and "Look at the top row. The first token" or "Token " .. fmt(o.row), fmt(o.cols), fmt(o.first), fmt(o.rest),
          o.scale == "tensor" and "still share its step" or "a scale of their own spares them its step"),
        "A rotation reaches along the token, a scale a token cuts between tokens. An outlier channel wants the one, an outlier token the other; real models have both.",
      }
    end,
    card = {
      front = "Outlier channel or outlier token: which does a rotation cure, and what cures the other?",
      back = "A rotation spreads channels within each token. An outlier token stays one; a scale a token parts it from the rest.",
      again = "A massive activation sits in one token. Why does rotating not help the other tokens under one scale?",
    },
  },

  predict {
    id = "planted", title = "Stirred too far",
    ask = {
      "The lab model, a small language model. Only its weights are rounded, to INT4 with a scale a row; X stays exact. Then outliers are planted: in each norm four channels grow 64-fold, and the weights that read them shrink as much. The function stays, and INT4 hardly minds.",
      "Now X and W are rotated before W is rounded. How many bits a byte does the planted model lose?",
    },
    given = function(lab)
      local t = lab.quality { tokens = 512, runs = { integers "int4", integers("int4", "hadamard") } }
      local p = lab.quality { model = lab.model { outliers = { channels = 4, times = 64 } }, tokens = 512, runs = { integers "int4" } }
      return { view.bars { title = "INT4 weights: bits a byte lost against FP32", from = 0, to = 0.1, bars = { { label = "as trained", value = t[1].delta }, { label = "as trained, rotated", value = t[2].delta }, { label = "planted", value = p[1].delta } } } }
    end,
    number = { unit = "bits", scale = "log", within = "2 x", from = 0.005, to = 10 },
    hints = {
      "The squares are kept. How much of a token's sum of squares do four channels of 64 hold, among 256 of 1?",
      "Weights err by a share of their size. What is each error multiplied by, before the rotation and after it?",
    },
    wrong = { 0.03, 0.015, 0.3 },
    knobs = {
      times = { 64, from = 1, to = 256, scale = "log", label = "planted, times", at = 1 },
      format = { "int4", choices = { "int4", "int8" }, label = "weights", at = 2 },
    },
    compute = function(lab, knob)
      local f = knob.format
      local m = lab.model { outliers = { channels = 4, times = math.max(1.01, knob.times) } }
      local p = lab.quality { model = m, tokens = 512, runs = { integers(f), integers(f, "hadamard"), integers("int8", "rtn", f), integers("int8", "hadamard", f), integers(f, "rtn", f), integers(f, "hadamard", f), fixed "rtn", fixed "hadamard" } }
      local t = lab.quality { tokens = 512, runs = { integers(f), integers(f, "hadamard") } }
      -- one layer: W's own error, and that of its output
      local x, w, four = lab.activations { model = m, site = "layers.1.mlp.gate_proj", tokens = 256 }, lab.parameter { model = m, name = "layers.1.mlp.gate_proj" }, {}
      for i = 1, 4 do four[i] = x:columns()[i].index + 1 end
      local y, rx, rw = lab.product(x, w), x:rotated(), w:rotated()
      local q, rq = lab.quantize(w, { format = f, scale = "channel" }), lab.quantize(rw, { format = f, scale = "channel" })
      return { answer = math.max(p[2].delta, 0.005), planted = { p[1].delta, p[2].delta }, trained = { t[1].delta, t[2].delta }, x = { p[3].delta, p[4].delta }, both = { p[5].delta, p[6].delta }, fixed = { p[7].delta, p[8].delta },
               weight = { q.sqnr_db, rq.sqnr_db }, output = { lab.compare(y, lab.product(x, q.values)).sqnr_db, lab.compare(y, lab.product(rx, rq.values)).sqnr_db },
               size = x.rms / x:replaced(0, four).rms, format = f:upper(), times = knob.times }
    end,
    reveal = function(o)
      local pays, rows = o.planted[2] >= 0.1, { { "W in " .. o.format, bits(o.planted[1]), bits(o.planted[2]) } }
      if o.format ~= "INT8" then rows[2] = { "X in " .. o.format .. ", W in INT8", bits(o.x[1]), bits(o.x[2]) } end
      rows[#rows + 1] = { "both in " .. o.format, bits(o.both[1]), bits(o.both[2]) }
      rows[#rows + 1] = { "both in INT8, X's scale fixed", bits(o.fixed[1]), bits(o.fixed[2]) }
      return {
        view.bars { title = o.format .. " weights: bits a byte lost against FP32", from = 0, bars = {
          { label = "as trained", value = o.trained[1] }, { label = "as trained, rotated", value = o.trained[2] }, { label = "planted", value = o.planted[1] }, { label = "planted, rotated", value = o.planted[2], role = "outcome" } } },
        pays and string.format("The weights that met the four were tiny, and so were their errors. Rotated, all weights are alike and err alike, and each error meets a place that is %s times as large as an ordinary channel: the energy of the four, handed to everyone.", fmt(o.size))
          or string.format("A rotated place is %s times as large as an ordinary channel here, and %s weights bear that.%s", fmt(o.size), o.format, o.format == "INT4" and " Turn the knob up." or ""),
        view.table { caption = "Two meters: gate of layer 2", columns = { "", "as it is", "rotated" }, rows = { { "the weights", db(o.weight[1]), db(o.weight[2]) }, { "the layer's output", db(o.output[1]), db(o.output[2]) } } },
        pays and "The weights' own meter does not move. What their errors are multiplied by does." or "The weights' own meter hardly moves.",
        view.table { caption = "Bits lost, planted", columns = { "rounded", "as it is", "rotated" }, rows = rows },
        (o.x[2] < o.x[1] - 0.02 and string.format("For X in %s the turn is a gain. ", o.format) or o.x[1] > 0.5 and string.format("X in %s is lost either way: the four drown the rest before the turn, and after it. ", o.format) or "")
          .. (o.fixed[1] > 0.1 and (o.fixed[2] < 0.05 and "With INT8 for both it is the whole cure. " or o.fixed[2] < o.fixed[1] / 2 and "With INT8 for both it is most of the cure. " or "") or "")
          .. (pays and "But the weights pay, and at 4 bits they cannot. " or "")
          .. "Methods fold each norm's gain into the weights before they rotate (QuaRot): that takes such a planting out before it is stirred in.",
      }
    end,
    takeaway = "A rotation keeps the energy and hands it to every place. Where a few channels hold nearly all of it, every weight's error is multiplied by it: fold the norms' gains first.",
    links = { "smoothquant" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague says: \"A rotation changes nothing and removes the outliers. Let us rotate everything.\" What do you answer?",
    model = "Without rounding nothing changes, true. With it, ask three things. What is large: a channel is spread over its token, but a token stays as loud as it was. In which format: INT4 and INT8 gain much; NVFP4 and FP8 kept large values apart already, and lose a little. And where did the norms' gains go? Unless they are folded first, a few huge channels end up in every weight's error. Flip random signs before it, too, since a token that fits a pattern becomes an outlier.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "cost", title = "What does a rotation cost at run time?",
    "Often nothing. The rotation of the residual stream is multiplied into the weights on both sides ahead of time, once each norm's gain sits in the weights too. What cannot be folded is done while the model runs: before down, whose input is a product of two vectors, and on queries and keys after their position was turned in (QuaRot).",
    "There the butterflies need log2 of the width additions for a value, 12 for 4,096, beside 4,096 multiplications and more for each value in the product that follows.",
  },

  dive {
    id = "width", title = "What if the width is no power of two?",
    "Hadamard matrices exist for many multiples of 4. 384 is 32 times 12 and 1,536 is 128 times 12: butterflies for the power of two, and one matrix of side 12 for the rest. Where no such factor is known, the values are rotated in blocks.",
    compute = function(lab)
      local rows = {}
      for i, n in ipairs { 256, 384, 576, 1536 } do
        local x = lab.gaussian { rows = 64, cols = n, channels = 4, channel_times = { 40, 40 } }
        local r = x:rotated()
        rows[i] = { tostring(n), fmt(x.amax / x.rms), fmt(r.amax / r.rms) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "Four channels 40 times larger: the largest value over the rms", columns = { "width", "as it is", "rotated" }, rows = o.rows } } end,
  },

  dive {
    id = "smooth-or-rotate", title = "Smooth or rotate?",
    "Smoothing needs a text, a norm before the layer and an alpha; it costs nothing at run time. A rotation needs none of the three, and reaches inputs that no norm feeds. Some methods do both.",
    compute = function(lab)
      local rows = {}
      for i, of in ipairs { { "query", "wide_attention_in", "query_weight" }, { "attention out", "wide_attention_out_in", "attention_out_weight" }, { "feed-forward", "wide_ffn_in", "ffn_weight" }, { "after GELU", "wide_ffn_out_in", "ffn_out_weight" } } do
        local x, w = lab.tensor("minilm/" .. of[2]):take(128), lab.tensor("minilm/" .. of[3])
        local function smooth(alpha) return lab.linear { x = x, w = w, weights = { "int8", "channel" }, activations = { "int8", "tensor" }, smooth = alpha }.output_sqnr_db end
        local best = 0
        for k = 0, 10 do best = math.max(best, smooth(k / 10)) end
        rows[i] = { of[1], db(smooth(nil)), db(best), db(lab.linear { x = x:rotated(), w = w:rotated(), weights = { "int8", "channel" }, activations = { "int8", "tensor" } }.output_sqnr_db) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM in INT8, one scale for X: the output, computed now", columns = { "layer", "neither", "best alpha", "rotated" }, rows = o.rows } } end,
  },

  dive {
    id = "weights", title = "Do weights gain by it too?",
    "A little, where they are bell shaped already; more where a few are large. Their rotation is free, since it happens before they are stored.",
    compute = function(lab)
      local rows = {}
      for i, of in ipairs { { "MiniLM, query", "minilm/query_weight" }, { "MiniLM, up", "minilm/ffn_weight" }, { "MiniLM, down", "minilm/ffn_out_weight" }, { "SmolLM2, keys", "smollm2/k_weight" } } do
        local w = lab.tensor(of[2])
        local r = w:rotated()
        local function q(t) return db(lab.quantize(t, { format = "int4", scale = "channel" }).sqnr_db) end
        rows[i] = { of[1], fmt(w.amax / w.rms), fmt(r.amax / r.rms), q(w), q(r) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "INT4, a scale a row, computed now", columns = { "weights", "largest / rms", "rotated", "SQNR", "rotated" }, rows = o.rows } } end,
  },

  dive {
    id = "kv", title = "Does it help the KV cache?",
    "Keys have outlier channels, so a scale a token suits them badly, and a rotation of each head changes that: query and key are turned alike, and their product stays. llama.cpp does so by default for quantized caches whose head dimension is a multiple of 64 (pull request 21038, cited).",
    compute = function(lab)
      local rows = {}
      for i, of in ipairs { { "keys", "smollm2/k15" }, { "values", "smollm2/v15" } } do
        local x = lab.tensor(of[2]):take(1024, 64)
        local function q(t) return db(lab.quantize(t, { format = "int4", scale = "token" }).sqnr_db) end
        rows[i] = { of[1], q(x), q(x:rotated()) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "SmolLM2, layer 16, the first head: INT4, a scale a token", columns = { "", "as they are", "rotated" }, rows = o.rows } } end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "smoothquant", title = "Move the difficulty",
    "Divide a large activation channel by s, multiply its weights by s.",
    "The product stays the same; both sides become easier to round.",
    "How much of the range moves is set by alpha.",
    "The division is folded into the norm before the layer." },
  link { lesson = "kv-quant", title = "Cheaper memory of the conversation",
    "Keys have outlier channels, values hardly.",
    "So keys take a scale a channel, values may take one a token.",
    "\"2 bits\" with their scales are 3 or more.",
    "An fp8 cache is the plain default." },
}
