-- Does it hurt? What rounding costs a language model: its loss, its favorites, its wording; and when a difference is none.
-- Measured on the lab model; what only large models show is cited.

local TOKENS = 2048
local OPENINGS = { "And the king said unto ", "In the beginning ", "The hacker ", "Now it came to pass ", "And Jesus answered ", "A kind of program that ", "Behold, I will " }
local MATRICES = { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj" }

local FORMATS = { -- INT8 and FP8 with a scale a row, INT4 and INT3 with one for 128; the others bring theirs
  { "INT8", { format = "int8", scale = "channel" } }, { "FP8", { format = "e4m3", scale = "channel" } }, { "MXFP6", { format = "mxfp6-e2m3" } },
  { "NVFP4", { format = "nvfp4" } }, { "MXFP4", { format = "mxfp4" } }, { "INT4", { format = "int4", scale = "group:128" } },
  { "INT3", { format = "int3", scale = "group:128" } },
}

local function percent(x) return fmt(x) .. " %" end
local function off(delta, error) return string.format("%+.4f ± %.4f", delta, error) end
local function line(text) return (text:gsub("%c", " ")) end

-- What FP32 and these schemes need for the text, in one call: a list, ranked.
local function measure(lab, weights, tokens)
  local runs = {}
  for i, w in ipairs(weights) do runs[i] = { weights = w } end
  return lab.quality { tokens = tokens or TOKENS, runs = runs }
end

local function writes(lab, weights, opening, bytes, temperature)
  return lab.generate { weights = weights, prompt = opening, bytes = bytes, temperature = temperature }.text
end

-- How many letters two texts begin with alike.
local function alike(a, b)
  local n = 0
  while n < #a and a:byte(n + 1) == b:byte(n + 1) do n = n + 1 end
  return n
end

return lesson {
  id = "quality", title = "Does it hurt?", course_part = "D", minutes = 14, needs = { "scales" },
  win = "measure what a quantized model lost, choose the meter that shows it, and say when a difference is none",
  sources = {
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
    "llama.cpp pull request 6936, perplexity of Llama-2-7B and Llama-3-8B by format",
    "arXiv:2411.02355, Give Me BF16 or Give Me Death? (ACL 2025)",
    "arXiv:2505.20276 on long contexts; arXiv:2210.17323 GPTQ; arXiv:2306.00978 AWQ",
  },

  -- the loss --------------------------------------------------------------------------------------------------------

  part { id = "loss", title = "the loss", core = true },

  read {
    id = "setting", title = "What is measured",
    "The lab model is small: 4.85 million parameters in six layers, trained for this course. It reads and writes bytes. Before each byte of a text that it never saw it says how likely each of the 256 is.",
    "Its loss is the bits it needs for the byte that then comes: 8 is knowing nothing, 0 is knowing it all. Perplexity is the same in other units: 2 to the power of the loss.",
    "The linear layers' weights are rounded, the rest stays FP32. All of it is measured while you wait. What only large models show is cited.",
    view.quote "Nobody proofreads the thinner binder. The dish is cooked from it, and tasted beside the original.",
  },

  predict {
    id = "cliff", title = "One bit less, and one more",
    ask = "Weights become whole numbers of few bits, with one 16-bit scale for every 128. This is the loss on 2,048 bytes, bits a byte. What is it at INT2?",
    given = function(lab)
      local r = measure(lab, { { format = "int8", scale = "group:128" }, { format = "int4", scale = "group:128" }, { format = "int3", scale = "group:128" } })
      return { view.bars { title = "Measured now", unit = "bits a byte", from = 0, to = 8, bars = { { label = "FP32", value = r[1].fp32_bits_per_byte },
        { label = "INT8", value = r[1].bits_per_byte }, { label = "INT4", value = r[2].bits_per_byte }, { label = "INT3", value = r[3].bits_per_byte } } } }
    end,
    number = { unit = "bits", scale = "linear", within = "20 %", from = 0, to = 8 },
    hints = {
      "INT3 has the values -3 to 3, times the scale. Which are left at INT2?",
      "The largest of 128 weights sets the scale. How many of the others come nearer to it than to 0?",
    },
    wrong = { 1.5, 1.7, 2, 2.8 },
    knobs = {
      group = { "128", choices = { "16", "32", "64", "128" }, label = "weights that share a scale", at = 1 },
      method = { "rtn", choices = { "rtn", "gptq" }, label = "method", at = 2 },
    },
    compute = function(lab, knob)
      local bits, schemes = { "int8", "int4", "int3", "int2" }, {}
      for i, format in ipairs(bits) do schemes[i] = { format = format, scale = "group:" .. knob.group, method = knob.method } end
      local r = measure(lab, schemes)
      local q = lab.quantize(lab.parameter { name = "layers.3.mlp.down_proj" }, { format = "int2", scale = "group:" .. knob.group })
      local text = {}
      for i, w in ipairs { false, schemes[2], schemes[4] } do text[i] = writes(lab, w or nil, OPENINGS[1], 80, 0.8) end
      return { answer = r[4].bits_per_byte, fp32 = r[1].fp32_bits_per_byte, r = r, zeros = 100 * q.zero_fraction, text = text, bits = r[4].bits_per_weight, group = knob.group }
    end,
    reveal = function(o)
      local bars = { { label = "FP32", value = o.fp32 } }
      for i, name in ipairs { "INT8", "INT4", "INT3", "INT2" } do bars[i + 1] = { label = name, value = o.r[i].bits_per_byte, role = i == 4 and "outcome" or nil, note = string.format("%+.3f", o.r[i].delta):gsub("%-0.000", "+0.000") } end
      local rows = {}
      for i, name in ipairs { "FP32", "INT4", "INT2" } do rows[i] = { name, line(o.text[i]) } end
      return {
        view.bars { unit = "bits a byte", from = 0, to = 8, bars = bars },
        string.format("A plain, then a cliff. From FP32 to INT3 the loss rose by %.2f bits, with the next bit by %.1f.", o.r[3].delta, o.answer - o.r[3].bits_per_byte),
        string.format("INT2 keeps -1, 0 and 1, and the largest of %s weights sets the scale. In one matrix of layer 4, %s of the weights are now 0.", o.group, percent(o.zeros)),
        view.table { caption = "Read it yourself. Each goes on after: " .. OPENINGS[1], columns = { "weights", "goes on with" }, rows = rows },
        "Turn the group: more scales move the cliff, they do not remove it. Where it stands depends on the model; that there is one does not.",
      }
    end,
    card = {
      front = "You round a model's weights to INT8, INT4, INT3, INT2. What shape has its loss?",
      back = "Flat, then a cliff. In the lab model three bits cost a few hundredths of a bit a byte, two bits nearly all it knows: with one scale for 128 most weights become 0.",
      again = "INT4 and INT3 cost next to nothing. Why must you not extrapolate to INT2?",
    },

  },

  -- other meters ----------------------------------------------------------------------------------------------------

  part { id = "meters", title = "other meters", core = true },

  predict {
    id = "favorites", title = "A better loss?",
    ask = {
      "MXFP4: 4 bits a weight and a power of two for every 32. By the loss nothing happened:",
      "Before each byte the model has a favorite, the byte that it finds likeliest. For what share of the 2,047 bytes is MXFP4's favorite another than FP32's?",
    },
    given = function(lab)
      local r = measure(lab, { { format = "mxfp4" } })[1]
      return { view.bars { title = "Measured now", unit = "bits a byte", from = 0, to = 2, bars = { { label = "FP32", value = r.fp32_bits_per_byte, note = string.format("%.4f", r.fp32_bits_per_byte) },
        { label = "MXFP4", value = r.bits_per_byte, note = string.format("%.4f", r.bits_per_byte) } } } }
    end,
    number = { unit = "%", scale = "log", within = "2 x", from = 0.01, to = 100 },
    hints = {
      "The loss asks how likely the byte was that came. It does not ask about the other 255.",
      "Where two bytes are almost equally likely, a small push decides which is the favorite. How often is it so close?",
    },
    wrong = { 0.25, 1, 20 },
    knobs = { format = { "MXFP4", choices = { "INT8", "FP8", "MXFP6", "NVFP4", "MXFP4", "INT4" }, label = "weights", at = 1 } },
    compute = function(lab, knob)
      local schemes, list, asked = {}, {}, nil
      for i, f in ipairs(FORMATS) do schemes[i] = f[2] end
      for i, r in ipairs(measure(lab, schemes)) do
        list[i] = { label = FORMATS[i][1], delta = r.delta, error = r.delta_se, kl = r.kl, changed = 100 * (1 - r.top1) }
        if list[i].label == knob.format then asked = list[i] end
      end
      return { answer = asked.changed, asked = asked, list = list }
    end,
    reveal = function(o)
      local bars, rows, still = {}, {}, 0
      for i, r in ipairs(o.list) do
        bars[i] = { label = r.label, value = r.changed, role = r == o.asked and "outcome" or nil }
        rows[i] = { r.label, off(r.delta, r.error), string.format("%.5f", r.kl), percent(r.changed) }
        if math.abs(r.delta) <= 2 * r.error then still = still + 1 end
      end
      return {
        view.bars { title = "Favorites that changed", unit = "%", bars = bars },
        string.format("%s: the loss moved by %s, its own standard error beside it, and %s of the favorites are others.", o.asked.label, off(o.asked.delta, o.asked.error), percent(o.answer)),
        "The loss looks at one likelihood a byte, that of the byte that came. Rounding raises it here and lowers it there, and the mean forgets both. KL divergence compares all 256 likelihoods with FP32's, favorites compare the first choice: there nothing cancels.",
        view.table { caption = "Above FP32, on 2,048 bytes; INT8, FP8: a scale a row, INT4, INT3: one for 128", columns = { "weights", "loss", "KL, nats", "favorites" }, rows = rows },
        string.format("So KL and favorites move first: for %d of these %d formats the loss is still within two standard errors. Perplexity is the loss again, and as slow.", still, #o.list),
      }
    end,
    card = {
      front = "Perplexity did not move, but 5 % of the favorites did. How can both be true?",
      back = "The loss sees only the likelihood of what came; gains and losses cancel in its mean. KL and favorites compare with the original at each place, and nothing cancels. They move first.",
      again = "Which shows a small damage first: perplexity, or KL against the original? Why?",
    },

  },
}
