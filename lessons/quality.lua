-- Does it hurt? What rounding costs a language model: its loss, its favorites, its wording; and when a difference is none.
-- Measured on the lab model; what only large models show is cited.

local TOKENS = 1024
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
    "llama.cpp pull request 6936, perplexity of Llama-2-7B and Llama-3-8B by format; their model cards (2 and 15 trillion tokens of training)",
    "arXiv:2411.02355, Give Me BF16 or Give Me Death? (ACL 2025)",
    "arXiv:2407.09141, Accuracy is Not All You Need; arXiv:2505.20276 on long contexts; arXiv:2210.17323 GPTQ",
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
    ask = "Weights become whole numbers of few bits, with one 16-bit scale for every 128. Below is the loss on 1,024 bytes, in bits a byte. What is it at INT2?",
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
      group = { "128", choices = { "32", "128" }, label = "weights that share a scale", at = 1 },
      minimum = { "no", choices = { "no", "yes" }, label = "store a minimum", at = 2 },
    },
    compute = function(lab, knob)
      local bits, schemes, zero = { "int8", "int4", "int3", "int2" }, {}, knob.minimum == "yes" and "kivi" or "none"
      for i, format in ipairs(bits) do schemes[i] = { format = format, scale = "group:" .. knob.group, zero_point = zero } end
      local r = measure(lab, schemes)
      local q = lab.quantize(lab.parameter { name = "layers.3.mlp.down_proj" }, { format = "int2", scale = "group:" .. knob.group })
      local text = {}
      for i, w in ipairs { false, schemes[2], schemes[4] } do text[i] = writes(lab, w or nil, OPENINGS[1], 80, 0.8) end
      return { answer = r[4].bits_per_byte, fp32 = r[1].fp32_bits_per_byte, r = r, zeros = 100 * q.zero_fraction, text = text, bits = r[4].bits_per_weight, group = knob.group, minimum = knob.minimum == "yes" }
    end,
    reveal = function(o)
      local bars = { { label = "FP32", value = o.fp32 } }
      for i, name in ipairs { "INT8", "INT4", "INT3", "INT2" } do bars[i + 1] = { label = name, value = o.r[i].bits_per_byte, role = i == 4 and "outcome" or nil, note = string.format("%+.3f", o.r[i].delta):gsub("%-0.000", "+0.000") } end
      local rows = {}
      for i, name in ipairs { "FP32", "INT4", "INT2" } do rows[i] = { name, line(o.text[i]) } end
      return {
        view.bars { unit = "bits a byte", from = 0, to = 8, bars = bars },
        string.format("%s. From FP32 to INT3 the loss rose by %.2f bits, and by %.2f with one bit fewer.", o.answer > 2 and "A plain, then a cliff" or "The cliff is a slope here", o.r[3].delta, o.answer - o.r[3].bits_per_byte)
          .. (o.r[2].delta < 0 and " INT4 even stands a hair below FP32; a later step asks whether that means anything." or ""),
        o.minimum and string.format("With a minimum stored for every %s weights INT2 has four values, from the smallest of them to the largest, for %s bits a weight in all.", o.group, fmt(o.bits))
          or string.format("INT2 keeps -1, 0 and 1, and the largest of %s weights sets the scale. In one matrix of layer 4, %s of the weights are now 0.", o.group, percent(o.zeros)),
        view.table { caption = "Read it yourself. Each goes on after: " .. OPENINGS[1], columns = { "weights", "goes on with" }, rows = rows },
        o.minimum and "So where the cliff stands is a matter of levels: one more value for the codes moved it."
          or string.format("Where the cliff stands is a matter of levels. A minimum stored beside each scale costs %s bits a weight here and gives INT2 a fourth value: turn that knob first, then the other.", fmt(16 / tonumber(o.group))),
      }
    end,
    card = {
      front = "You round a model's weights to INT8, INT4, INT3, INT2. What shape has its loss?",
      back = "With fewer bits the loss meets first a plain, then a cliff. In the lab model three bits cost a few hundredths of a bit a byte, two bits nearly all it knows: of three values most weights get the 0. A fourth value, from a stored minimum, moves the cliff.",
      again = "INT4 and INT3 cost next to nothing. Why must you not extrapolate to INT2?",
    },
    dives = { "units" }, links = { "gptq" },
  },

  -- other meters ----------------------------------------------------------------------------------------------------

  part { id = "meters", title = "other meters", core = true },

  predict {
    id = "favorites", title = "A better loss?",
    ask = {
      "MXFP4: 4 bits a weight and a power of two for every 32. By the loss, below, nothing happened.",
      "Before each byte the model has a favorite, the byte that it finds likeliest. For what share of 1,024 bytes is MXFP4's favorite another than FP32's?",
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
    compute = function(lab)
      local schemes, list, asked = {}, {}, nil
      for i, f in ipairs(FORMATS) do schemes[i] = f[2] end
      for i, r in ipairs(measure(lab, schemes)) do
        list[i] = { label = FORMATS[i][1], delta = r.delta, error = r.delta_se, kl = r.kl, changed = 100 * (1 - r.top1) }
        if list[i].label == "MXFP4" then asked = list[i] end
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
        view.table { caption = "Above FP32, on 1,024 bytes; INT8, FP8: a scale a row, INT4, INT3: one for 128", columns = { "weights", "loss", "KL, nats", "favorites" }, rows = rows },
        string.format("So KL and favorites move first: for %d of these %d formats the loss is still within two standard errors. Perplexity is the loss again, and as slow.", still, #o.list),
      }
    end,
    card = {
      front = "Perplexity did not move, but 5 % of the favorites did. How can both be true?",
      back = "The loss sees only the likelihood of what came; gains and losses cancel in its mean. KL and favorites compare with the original at each place, and nothing cancels. They move first.",
      again = "Which shows a small damage first: perplexity, or KL against the original? Why?",
    },
    dives = { "own-model" },
  },

  predict {
    id = "wording", title = "Where the texts part",
    ask = {
      "Two copies of the model, FP32 and INT4 in groups of 128, continue the same seven openings. Both always take the likeliest byte, so chance has no part in it.",
      "After how many letters do their texts part, in the median of the seven?",
    },
    given = function(lab)
      local r = measure(lab, { { format = "int4", scale = "group:128" } })[1]
      return { string.format("Measured now: on a given text, %s of their favorites are the same.", percent(100 * r.top1)) }
    end,
    number = { unit = "letters", scale = "log", within = "2 x", from = 1, to = 100 },
    hints = {
      "If 1 favorite in n differs, how long does it take until the first?",
      "Do the two still read the same text once one letter differs?",
    },
    wrong = { 100, 50, 2 },
    knobs = { format = { "INT4", choices = { "INT8", "INT4", "INT3" }, label = "weights", at = 1 } },
    compute = function(lab, knob)
      local scheme, bars, sorted, shown = nil, {}, {}, nil
      for _, f in ipairs(FORMATS) do if f[1] == knob.format then scheme = f[2] end end
      for i, opening in ipairs(OPENINGS) do
        lab.progress(i / #OPENINGS, opening)
        local a, b = writes(lab, nil, opening, 100, 0), writes(lab, scheme, opening, 100, 0)
        local n = alike(a, b)
        bars[i], sorted[i] = { label = opening:sub(1, 16):gsub(" %S*$", "") .. " ...", letters = n }, n
        if not shown or n > 12 and n < shown.n or shown.n <= 12 then shown = { n = n, opening = opening, a = a, b = b } end
      end
      table.sort(sorted)
      return { answer = math.max(1, sorted[4]), bars = bars, shown = shown, format = knob.format, same = sorted[1] == 100 }
    end,
    reveal = function(o)
      local bars = {}
      for i, b in ipairs(o.bars) do bars[i] = { label = b.label, value = b.letters, role = "outcome" } end
      local blocks = { view.bars { title = "Letters written alike, of 100", unit = "letters", from = 0, to = 100, bars = bars } }
      if o.same then
        blocks[2] = o.format .. " writes all seven letter for letter as FP32 does. Its rare changed favorites did not come up here."
      else
        blocks[2] = string.format("One changed favorite is enough: from there on the two read different texts, and write on from those. After: %s", line(o.shown.opening))
        blocks[3] = view.table { columns = { "weights", "goes on with" }, rows = { { "FP32", line(o.shown.a) }, { o.format, line(o.shown.b) } } }
        blocks[4] = "Read both. Neither is the broken one. Wording tells you that a model changed, not that it got worse."
      end
      blocks[#blocks + 1] = "In a large study the answers of 70B and 405B models keep 99 % of the score after INT4, and share about seven words in ten with BF16's text (ROUGE-1 about 0.7; arXiv:2411.02355, cited)."
      return blocks
    end,
    card = {
      front = "A quantized model writes another text than the original, from the same prompt. What follows for its quality?",
      back = "Another text says nothing yet: one changed favorite sends it another way, however small the damage. INT4 copies part after some ten letters here, and large models keep 99 % of their benchmark score all the same.",
      again = "Why is comparing two outputs word by word a bad test of a quantized model?",
    },
    dives = { "benchmarks" },
  },

  -- noise -----------------------------------------------------------------------------------------------------------

  part { id = "noise", title = "when a difference is none", core = true },

  predict {
    id = "verdict", title = "Two methods, one winner?",
    ask = {
      "INT4 in groups of 128, made in two ways: each weight rounded to the nearest, or by GPTQ, where later weights make up for the errors of earlier ones. Below is their loss on the same 1,024 bytes.",
      "What does it say of the two?",
    },
    given = function(lab)
      local r = measure(lab, { { format = "int4", scale = "group:128" }, { format = "int4", scale = "group:128", method = "gptq" } })
      return { view.table { caption = "Measured now: loss above FP32, bits a byte, and its standard error", columns = { "method", "loss" },
        rows = { { "to the nearest", off(r[1].delta, r[1].delta_se) }, { "GPTQ", off(r[2].delta, r[2].delta_se) } } } }
    end,
    choice = { { "nearest", "Rounding to the nearest is better" }, { "gptq", "GPTQ is better" }, { "open", "It cannot tell them apart" } },
    hints = {
      "How far apart are the two, in standard errors?",
      "Would you bet on the same order on the next 1,024 bytes?",
    },
    wrong = { "nearest", "gptq" },
    knobs = { bytes = { "1024", choices = { "1024", "12288" }, label = "bytes of text", at = 1 } },
    compute = function(lab, knob)
      local list, names = {}, { "nearest", "GPTQ" }
      local r = measure(lab, { { format = "int4", scale = "group:128" }, { format = "int4", scale = "group:128", method = "gptq" } }, tonumber(knob.bytes))
      for i, q in ipairs(r) do list[i] = { label = names[i], delta = q.delta, error = q.delta_se, kl = q.kl, changed = 100 * (1 - q.top1), rank = q.rank } end
      return { list = list, bytes = tonumber(knob.bytes) }
    end,
    correct = function(o)
      local nearest, gptq = o.list[1], o.list[2]
      return nearest.rank < gptq.rank and "nearest" or gptq.rank < nearest.rank and "gptq" or "open"
    end,
    reveal = function(o)
      local nearest, gptq = o.list[1], o.list[2]
      local marks, kl = {}, {}
      for i, e in ipairs(o.list) do
        marks[i] = { label = e.label, value = 1000 * e.delta, low = 1000 * (e.delta - 2 * e.error), high = 1000 * (e.delta + 2 * e.error) }
        kl[i] = { label = e.label, value = 1000 * e.kl, role = "outcome", note = percent(e.changed) .. " of favorites" }
      end
      local ahead = nearest.delta < gptq.delta and "rounding to the nearest" or "GPTQ"
      local bytes = o.bytes
      return {
        view.intervals { title = "Loss above FP32, with two standard errors on either side", unit = "thousandths", from = -25, to = 30, rows = marks },
        view.bars { title = "KL divergence from FP32", unit = "thousandths", bars = kl },
        nearest.rank == gptq.rank
          and string.format("By loss %s is ahead on %s bytes, and that proves nothing: the difference is within two of its standard errors. (Paired errors: both read the same bytes, so what is hard for both cancels.)", ahead, fmt(bytes))
          or string.format("By loss %s is ahead on %s bytes, by more than two standard errors of the difference. Now it may be said.", ahead, fmt(bytes)),
        (nearest.delta < gptq.delta) ~= (nearest.kl < gptq.kl)
          and "KL and favorites say the opposite, and they are the steadier meters. Who is right? Give the loss more text: turn the knob to 12,288."
          or bytes > 1024 and "KL and favorites say the same, and 1,024 bytes were enough for them." or "KL and favorites say the same.",
        "Who ranks methods by the third digit of a perplexity, with no error beside it, ranks luck.",
      }
    end,
    card = {
      front = "Two quantized models differ by 0.01 in loss. When may you say that one is better?",
      back = "One is better when the difference exceeds two standard errors of the paired difference, on the same text. Below that: more text, or a steadier meter such as KL.",
      again = "Method A has the lower perplexity on a short text. What do you ask before you choose it?",
    },
    dives = { "enough-text" }, links = { "gptq" },
  },

  -- depth -----------------------------------------------------------------------------------------------------------

  part { id = "depth", title = "layer after layer", core = true },

  predict {
    id = "depth", title = "Thirty-two layers, each off",
    ask = {
      "A toy in the shape of a language model: a stream of numbers passes 32 layers, and each adds its output to it. All weights become INT4 in groups of 128.",
      "By how many percent is the stream off at the end?",
    },
    given = function(lab)
      local x = lab.gaussian { rows = 64, cols = 256 }
      local w = lab.gaussian { rows = 256, cols = 256, sigma = 1 / 16, stream = 2 }
      local v = lab.gaussian { rows = 256, cols = 256, sigma = 1 / 16, stream = 3 }
      local function rounded(t) return lab.quantize(t, { format = "int4", scale = "group:128" }).values end
      local function layer(a, b) return lab.product(lab.product(x, a):clipped { limit = 1 }, b) end
      return { string.format("Measured now: the first layer's output by itself is off by %s.", percent(100 * lab.compare(layer(w, v), layer(rounded(w), rounded(v))).relative)) }
    end,
    number = { unit = "%", scale = "log", within = "1.5 x", from = 1, to = 100000 },
    hints = {
      "As compound interest it would be enormous. But do the errors of two layers point the same way?",
      "What does a layer's error meet in the stream: the layer before, or the sum of all before?",
    },
    wrong = { 17, 100, 560, 17000 },
    knobs = {
      format = { "int4", choices = { "int8", "int4", "int3" }, label = "weights", at = 1 },
    },
    compute = function(lab, knob)
      local function rounded(t) return lab.quantize(t, { format = knob.format, scale = "group:128" }).values end
      local function layer(h, a, b) return lab.product(lab.product(h:with { times = 1 / h.rms }, a):clipped { limit = 1 }, b) end
      local function plus(a, b) return a:minus(b:with { times = -1 }) end
      local exact = lab.gaussian { rows = 64, cols = 256 }
      local stream, chain, other = exact, exact, exact -- rounded, in a stream and in a chain; the chain's exact twin
      local o = { x = {}, stream = {}, chain = {}, interest = {}, own = 0 }
      for l = 1, 32 do
        lab.progress(l / 32, "layer " .. l)
        local w = lab.gaussian { rows = 256, cols = 256, sigma = 1 / 16, stream = 2 * l }
        local v = lab.gaussian { rows = 256, cols = 256, sigma = 1 / 16, stream = 2 * l + 1 }
        local rw, rv = rounded(w), rounded(v)
        local y = layer(exact, w, v)
        o.own = o.own + lab.compare(y, layer(exact, rw, rv)).relative / 32
        exact, stream = plus(exact, y), plus(stream, layer(stream, rw, rv))
        other, chain = layer(other, w, v), layer(chain, rw, rv)
        o.x[l], o.stream[l], o.chain[l] = l, 100 * lab.compare(exact, stream).relative, 100 * lab.compare(other, chain).relative
      end
      for l = 1, 32 do o.interest[l] = 100 * ((1 + o.own) ^ l - 1) end
      o.answer = o.stream[32]
      local errors, worst = 0, 0
      for l = 0, 5 do
        for _, name in ipairs(MATRICES) do
          local full = "layers." .. l .. "." .. name
          local q = lab.linear { x = lab.activations { site = full, tokens = 64 }, w = lab.parameter { name = full }, weights = { knob.format, "group:128" } }
          local e = 100 * 10 ^ (-q.output_sqnr_db / 20)
          errors, worst = errors + e / 42, math.max(worst, e)
        end
      end
      local r = measure(lab, { { format = knob.format, scale = "group:128" } })[1]
      o.real = { mean = errors, worst = worst, rise = 100 * r.delta / r.fp32_bits_per_byte, error = 100 * r.delta_se / r.fp32_bits_per_byte, changed = 100 * (1 - r.top1) }
      o.format = knob.format:upper()
      return o
    end,
    reveal = function(o)
      return {
        view.plot { x = { label = "layers", from = 1, to = 32 }, y = { label = "off by", unit = "%", scale = "log" },
          series = { { label = "compound", x = o.x, y = o.interest }, { label = "chain", x = o.x, y = o.chain }, { label = "stream", x = o.x, y = o.stream, role = "outcome" } } },
        string.format("Each layer by itself is off by %s. Like interest that would be %s after 32. In a chain, where a layer sees only the one before, it is %s%s. In the stream it is %s.", percent(100 * o.own), percent(o.interest[32]), percent(o.chain[32]), o.chain[32] >= 100 and ": nothing is left" or "", percent(o.answer)),
        "The errors of different layers point in different directions, so they add like steps of a random walk. And what a layer adds is small beside the sum of all before, which carries the signal past it.",
        string.format("That was a toy with random weights. The lab model, real and also %s: its 42 matrices are off by %s on average, the worst by %s. Its loss moved by %+.2f ± %.2f %%, and %s of its favorites changed.", o.format, percent(o.real.mean), percent(o.real.worst), o.real.rise, o.real.error, percent(o.real.changed)),
      }
    end,
    card = {
      front = "Each of 32 layers is 18 % off. Why is the model's output not 32 times as wrong?",
      back = "Errors of different layers point in different directions, and each is added to a stream that carries the signal past the layer. A 32-layer toy ends about 33 % off; without the stream nothing is left.",
      again = "What do residual connections have to do with quantization?",
    },
  },

  -- large models ----------------------------------------------------------------------------------------------------

  part { id = "large", title = "large models", core = true },

  predict {
    id = "newer", title = "The better model",
    ask = {
      "Large models, measured by others. llama.cpp's format Q2_K raises the perplexity of Llama-2-7B by 10.8 %.",
      "Llama-3-8B is nearly the same size and was trained on some seven times as much text. By how many percent does Q2_K raise its perplexity?",
    },
    number = { unit = "%", scale = "log", within = "1.5 x", from = 1, to = 1000 },
    hints = {
      "Which model has more spare room in its weights?",
      "It is not less than 10.8.",
    },
    wrong = { 5, 10.8, 15, 20 },
    answer = 56.5,
    source = "llama.cpp pull request 6936, mean perplexity ratio of q2_K",
    reveal = function()
      return {
        view.table { caption = "Perplexity, up by", columns = { "format", "Llama-2-7B", "Llama-3-8B" },
          rows = { { "Q8_0", "0.07 %", "0.04 %" }, { "Q6_K", "0.24 %", "0.35 %" }, { "Q4_K_M", "1.4 %", "2.8 %" }, { "Q2_K", "10.8 %", "56.5 %" } }, source = "llama.cpp pull request 6936" },
        "At 8 bits neither loses. The fewer the bits, the wider the two part: the same bits must carry more that was learned. So \"4 bits are fine\" is a sentence about one model, and its date matters.",
        view.table { caption = "Who else loses more, cited", columns = { "case", "lost" },
          rows = { { "average of Llama-3.1 and INT4, benchmarks", "0.6 %" }, { "a 1.5B reasoning model, INT4", "6.5 %" }, { "long contexts, worst tasks, 4 bits", "up to 59 %" } }, source = "arXiv:2411.02355; arXiv:2505.20276" },
        "An average over easy tasks hides the hard ones. Measure yours: the longest prompts, the smallest model.",
      }
    end,
    card = {
      front = "Two models of the same size, one trained on far more text. Which loses more at 2 to 4 bits?",
      back = "The better trained one loses more, since its weights carry more. Q2_K raised Llama-2-7B's perplexity by 10.8 %, Llama-3-8B's by 56.5 % (llama.cpp pull request 6936).",
      again = "\"Q4 was fine with the old model.\" Why measure again for the new one of the same size?",
    },
    dives = { "benchmarks" },
  },

  -- the rest --------------------------------------------------------------------------------------------------------

  part { id = "rest", title = "everything else", core = true },

  explore {
    id = "table", title = "Methods, activations, caches",
    ask = "Weights were only the start. What else the lab can do to this model, ranked by loss on 512 bytes; a rank is shared within two standard errors. Turn the knob.",
    knobs = { what = { "activations too", choices = { "methods", "activations too", "cache" }, label = "compare", at = 1 } },
    compute = function(lab, knob)
      local runs, names = {}, {}
      local function add(name, weights, activations, kv)
        runs[#runs + 1], names[#names + 1] = { weights = weights, activations = activations, kv = kv }, name
      end
      if knob.what == "methods" then
        for i, method in ipairs { "rtn", "gptq", "hadamard" } do add("INT4, " .. ({ "nearest", "GPTQ", "rotated" })[i], { format = "int4", scale = "group:128", method = method }) end
      elseif knob.what == "cache" then
        for _, format in ipairs { "int8", "e4m3", "int4", "int3" } do add(format:upper() .. ", a token", nil, nil, { format = format, scale = "token" }) end
        add("INT2, minimum, 32", nil, nil, { format = "int2", scale = "group:32", zero_point = "kivi" })
      else
        for _, format in ipairs { "int8", "e4m3" } do add(format:upper() .. ", a token", { format = format, scale = "channel" }, { format = format, scale = "token" }) end
        add("INT8, one scale", { format = "int8", scale = "channel" }, { format = "int8", scale = "tensor" })
        add("NVFP4", { format = "nvfp4" }, { format = "nvfp4" })
      end
      local r = lab.quality { tokens = 512, runs = runs }
      local list = {}
      for i, q in ipairs(r) do list[i] = { rank = q.rank, label = names[i], delta = q.delta, error = q.delta_se, kl = q.kl, changed = 100 * (1 - q.top1) } end
      table.sort(list, function(a, b) return a.delta < b.delta end)
      return { list = list, what = knob.what }
    end,
    reveal = function(o)
      local rows, ranks, n = {}, {}, 0
      for i, e in ipairs(o.list) do
        rows[i] = { tostring(e.rank), e.label, off(e.delta, e.error), string.format("%.4f", e.kl), percent(e.changed) }
        if not ranks[e.rank] then ranks[e.rank], n = true, n + 1 end
      end
      return {
        view.table { columns = { "", "scheme", "above FP32", "KL, nats", "favorites" }, rows = rows },
        string.format("%d schemes, %s. What shares a rank is a tie on this text; KL and favorites often part it.", #o.list, n == 1 and "one rank" or fmt(n) .. " ranks"),
        "The table of all schemes, on the whole text, stands in Saffron's README. sh lessons/model/table.sh computes it anew.",
      }
    end,
    links = { "kv-quant" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  recall {
    id = "meters", title = "Four meters",
    front = "Loss, KL divergence, favorites (top-1 agreement), benchmark score: which compares with the truth, which with the original model, and which moves first?",
    back = "Loss and benchmarks compare with the truth: gains and losses cancel, so they move late. KL and favorites compare with the original at each token: they move first. First is not worst: the task decides whether it hurts.",
    again = "Sort by how early they notice a rounding: benchmark score, perplexity, KL divergence.",
  },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague shows you: \"INT4 has the lower perplexity, 6.21 against 6.22. So INT4 is better than BF16, and we can ship it.\" What do you answer?",
    model = "A lower perplexity after rounding is noise until the paired standard error says otherwise: on our small model MXFP4 beat FP32 as well, and 5 % of its favorites had changed. Look at KL and favorites, they compare with the original and do not cancel. They say how much changed, not whether it hurts; so then run our own task, with our longest prompts and an interval beside the score.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "units", title = "Bits a byte, nats, perplexity: which is which?",
    "One quantity in different clothes. The model gives the byte that came a likelihood p. Minus log2 p is bits, minus ln p is nats, and the mean of either is the loss. Perplexity is 2 to the mean bits: among so many equally likely bytes it hesitates.",
    "Perplexity depends on what a token is. Models with different tokens can be compared only per byte. And 6.22 to 6.21 sounds like more than 0.002 bits.",
    compute = function(lab)
      local r = measure(lab, { { format = "int3", scale = "group:128" } })[1]
      local rows = {}
      for i, e in ipairs { { "FP32", r.fp32_bits_per_byte }, { "INT3", r.bits_per_byte } } do
        rows[i] = { e[1], string.format("%.4f", e[2]), string.format("%.4f", e[2] * math.log(2)), string.format("%.3f", 2 ^ e[2]), string.format("%.1f", 2 ^ (4 * e[2])) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "The lab model, measured now; the last column as if a token were 4 bytes", columns = { "weights", "bits", "nats", "perplexity", "of 4 bytes" }, rows = o.rows } } end,
  },

  dive {
    id = "own-model", title = "How do I measure this on my own model?",
    "A folder as Hugging Face has it (llama, mistral, qwen2 or qwen3), and text that it was not trained on: Saffron prints loss with its error, KL and favorites. For tokens instead of bytes FILE is a .npy of token ids.",
    view.code "saffron quality DIR --text FILE --format int4 --scale group:128",
    "For a GGUF, llama.cpp keeps the original's likelihoods in a file first and then compares with them:",
    view.code [[llama-perplexity -m f16.gguf -f text.txt --kl-divergence-base f16.kld
llama-perplexity -m q4.gguf -f text.txt --kl-divergence-base f16.kld --kl-divergence]],
    "Take text of the kind that you serve. A chat model on encyclopedia pages tells you about encyclopedia pages.",
  },

  dive {
    id = "enough-text", title = "How much text is enough?",
    "The error of a mean falls with the root of the length: four times the text halves it. What must be resolved decides: a difference of 0.01 bits wants an error of 0.003.",
    compute = function(lab)
      local rows = {}
      for i, n in ipairs { 256, 512, 1024 } do
        local r = measure(lab, { { format = "int4", scale = "group:128" } }, n)[1]
        rows[i] = { fmt(n), string.format("%+.4f", r.delta), string.format("%.4f", r.delta_se), string.format("%.4f", r.kl) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "INT4 in groups of 128, measured now", columns = { "bytes", "loss above FP32", "its error", "KL" }, rows = o.rows }, "KL is near its final figure at once; the loss is not." } end,
  },

  dive {
    id = "benchmarks", title = "Why do benchmarks hardly move?",
    "A question of four options counts as right or wrong. The score moves only where the likeliest option changes, and changes go both ways: some wrong answers become right. A study that counted the changed answers (flips) found many where the score had hardly moved, and that KL divergence foretells them (arXiv:2407.09141).",
    "Over Llama-3.1 from 8B to 405B the averages keep 99.75 % of BF16's score in 8 bits and 99.36 % with INT4 weights (arXiv:2411.02355). The same study keeps 93.5 % on a 1.5B reasoning model: long chains of steps give an early change time to matter.",
    "Long contexts are another case: up to 59 % lost on some tasks at 4 bits, under 1 % on average at 8 (arXiv:2505.20276). All cited, not measured here.",
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "gptq", title = "Let the other weights make up for it",
    "Weights are rounded column by column.",
    "Each error is paid back by the columns not yet rounded.",
    "How much, is read from calibration text.",
    "Weight error grows, output error falls." },
  link { lesson = "kv-quant", title = "Cheaper memory of the conversation",
    "Keys have outlier channels, values hardly.",
    "So keys take a scale a channel, values may take one a token.",
    "\"2 bits\" with their scales are 3 or more.",
    "An fp8 cache is the plain default." },
}
