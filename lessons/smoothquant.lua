-- Move the difficulty: SmoothQuant shifts range from activations into weights; how much, and what it cannot reach.
-- Seeded twins of a layer, MiniLM's tensors, and the lab model; outliers were planted only where a step says so.

local function percent(x) return fmt(x) .. " %" end
local function db(x) return string.format("%.1f dB", x) end
local function bits(x) return string.format("%.3f", x) end

local INT8, FIXED, TOKEN = { format = "int8", scale = "channel" }, { format = "int8", scale = "tensor" }, { format = "int8", scale = "token" }

-- The lab model's weights smoothed; `folded`: only where a norm can hold the division.
local function smoothed(alpha, folded)
  return { format = "int8", scale = "channel", method = "smoothquant", alpha = alpha, folded = folded }
end

-- A layer's inputs with six large channels of 512, and its weights.
local function twin(lab, rows, largest)
  largest = largest or 60
  return lab.gaussian { rows = rows or 256, cols = 512, channels = 6, channel_times = { largest / 3, largest } }, lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
end

-- SmoothQuant's factors of a layer.
local function factors(lab, x, w, alpha)
  return lab.linear { x = x, w = w, smooth = alpha }.divide
end

-- The two meters and the output at each alpha, under INT8.
local function sweep(lab, x, w, x_scale, w_scale)
  local s = { alpha = {}, x = {}, w = {}, output = {}, best = 1 }
  for i = 0, 10 do
    lab.progress(i / 11, "alpha " .. fmt(i / 10))
    local alpha = i / 10
    local r = lab.linear { x = x, w = w, weights = { "int8", w_scale }, activations = { "int8", x_scale }, smooth = alpha }
    s.alpha[i + 1], s.output[i + 1] = alpha, r.output_sqnr_db
    s.x[i + 1] = lab.quantize(x:divided(r.divide), { format = "int8", scale = x_scale }).sqnr_db
    s.w[i + 1] = lab.quantize(w:multiplied(r.divide), { format = "int8", scale = w_scale }).sqnr_db
    if s.output[i + 1] > s.output[s.best] then s.best = i + 1 end
    local before, now = i > 0 and s.w[i] - s.x[i], s.w[i + 1] - s.x[i + 1]
    if before and before > 0 and now <= 0 then s.cross = alpha - 0.1 * now / (now - before) end
  end
  s.plain = lab.linear { x = x, w = w, weights = { "int8", w_scale }, activations = { "int8", x_scale } }.output_sqnr_db
  return s
end

local function curves(s, guess)
  local low = math.min(s.plain, table.unpack(s.output))
  for i = 1, #s.alpha do low = math.min(low, s.x[i], s.w[i]) end
  return view.plot { x = { label = "alpha", from = 0, to = 1 }, y = { label = "SQNR", unit = "dB", from = 5 * math.floor(low / 5) },
    series = { { label = "output", x = s.alpha, y = s.output, role = "outcome" }, { label = "X", x = s.alpha, y = s.x }, { label = "W", x = s.alpha, y = s.w } },
    refs = { { y = s.plain, label = "not smoothed" } },
    guess = guess and type(guess.value) == "number" and { x = guess.value, label = "you" } or nil }
end

return lesson {
  id = "smoothquant", title = "Move the difficulty", course_part = "C", minutes = 14, needs = { "outliers" },
  win = "choose how much range to move from activations into weights, and say what that cannot reach",
  sources = {
    "arXiv:2211.10438 SmoothQuant, and smooth.py of its repository",
    "arXiv:2306.00978 AWQ",
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) for the real layers",
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
  },

  -- how much --------------------------------------------------------------------------------------------------------

  part { id = "much", title = "how much", core = true },

  read {
    id = "setting", title = "One product, two factors",
    "An INT8 layer rounds both of its factors. The activations X have a few channels 20 to 60 times larger than the rest and round badly. The weights W are even and round well.",
    "A scale for each channel of X would cure it. But a layer sums over the channels, and integers that are summed must share a scale. So the range moves instead: divide a channel by s, multiply the weights that meet it by s.",
    view.table { columns = { "one term of the sum", "x", "w", "x times w" }, rows = { { "as it is", "60", "0.02", "1.2" }, { "s = 10", "6", "0.2", "1.2" } } },
    "Nobody divides at run time: the norm before the layer has a gain for each channel, and it takes the division in. How much moves is set by one exponent, alpha: s = (largest of the channel) ^ alpha / (largest weight that meets it) ^ (1 - alpha).",
    view.quote "A tenth of the sack times ten pinches is the same dough, and now both fit the kitchen scale.",
  },

  predict {
    id = "alpha", title = "How much to move",
    ask = {
      "256 tokens, 512 channels, six of them large. INT8: one scale for X, a scale a row for W. At alpha 0 all columns of W end equally large; at alpha 1 all channels of X do.",
      "Where between them is the layer's output best?",
    },
    place = { from = 0, to = 1, tick = 0.05, within = "0.1 points" },
    hints = {
      "One error falls as alpha grows, the other rises.",
      "The output carries both errors. Where is neither of them the larger?",
    },
    wrong = { 1, 0.9, 0 },
    knobs = {
      x = { "tensor", choices = { "tensor", "token" }, label = "X: a scale a", at = 1 },
      w = { "channel", choices = { "tensor", "channel", "group:128" }, label = "W: a scale a", at = 2 },
    },
    compute = function(lab, knob)
      local x, w = twin(lab)
      local s = sweep(lab, x, w, knob.x, knob.w)
      return { answer = s.alpha[s.best], sweep = s, knob = knob.x .. knob.w }
    end,
    reveal = function(o, guess)
      local s = o.sweep
      return {
        curves(s, guess),
        string.format("At alpha %s the output reaches %s. Not smoothed it has %s, at alpha 1 %s.", fmt(o.answer), db(s.output[s.best]), db(s.plain), db(s.output[#s.output])),
        "Every step to the right takes error from X and gives it to W. The output carries both, so it is best where neither rules" .. (s.cross and string.format(": near %.2f, where the two curves cross.", s.cross) or "."),
        o.knob == "tensorchannel" and "Give X a scale a token, and it needs less help. Which way will the best alpha go? Turn the knob."
          or "Range is best moved toward the side with the finer scales.",
      }
    end,
    card = {
      front = "SmoothQuant at alpha 1 makes all activation channels equally large. Why is that no cure?",
      back = "At alpha 1 the weights have the outliers. The output carries both errors, so the best alpha lies where neither rules.",
      again = "Error of X, error of W: where do they stand at the best alpha?",
    },
    dives = { "slower", "smooth-awq" },
  },

  predict {
    id = "real", title = "A layer that was trained",
    ask = {
      "Now a real one: what enters MiniLM's feed-forward part, 128 tokens by 384 channels, and its weights. INT8 with the same scales. Not smoothed, its output stands at 23 dB.",
      "Where is the best alpha here?",
    },
    given = function(lab)
      local x, w = lab.tensor("minilm/wide_ffn_in"):take(128), lab.tensor "minilm/ffn_weight"
      local c = x:columns()
      return { string.format("Its largest channel reaches %s times the median channel, the next %s, the tenth %s.", fmt(c[1].times), fmt(c[2].times), fmt(c[10].times)) }
    end,
    place = { from = 0, to = 1, tick = 0.05, within = "0.1 points" },
    hints = {
      "What W takes over, it has to carry. How many channels is that, here and in the twin?",
      "The less W suffers, the further right the two curves cross.",
    },
    wrong = { 0.5, 0.4, 0.3 },
    knobs = { layer = { "feed-forward", choices = { "query", "attention out", "feed-forward", "after GELU" }, label = "layer", at = 1 } },
    compute = function(lab, knob)
      local names = { query = { "wide_attention_in", "query_weight" }, ["attention out"] = { "wide_attention_out_in", "attention_out_weight" },
                      ["feed-forward"] = { "wide_ffn_in", "ffn_weight" }, ["after GELU"] = { "wide_ffn_out_in", "ffn_out_weight" } }
      local of = names[knob.layer]
      local x = lab.tensor("minilm/" .. of[1])
      local s = sweep(lab, x:take(math.min(128, x.rows)), lab.tensor("minilm/" .. of[2]), "tensor", "channel")
      return { answer = s.alpha[s.best], sweep = s, layer = x.name:find "^minilm/" and knob.layer or "own" }
    end,
    reveal = function(o, guess)
      local s = o.sweep
      return {
        curves(s, guess),
        string.format("Alpha %s: %s. At 0.5 it would be %s, and at 0 %s, %s than not smoothed at all (%s).", fmt(o.answer), db(s.output[s.best]), db(s.output[6]), db(s.output[1]), s.output[1] < s.plain and "worse" or "better", db(s.plain)),
        s.output[1] < s.plain and "Alpha 0 is not \"do nothing\": it evens out the weights, and X pays." or "Alpha 0 is not \"do nothing\": it evens out the weights by what X can spare.",
        o.layer == "feed-forward" and string.format("Two channels stand out here, not six, so W has less to take over: even at alpha 1 it keeps %s, where the twin's W kept 28. The curves cross further right.", db(s.w[#s.w]))
          or string.format("At alpha 1 W keeps %s here.", db(s.w[#s.w])),
        o.layer ~= "after GELU" and "So alpha is searched, for each model. After GELU, on the knob, 0.5 gains nothing at all."
          or "Here the largest inputs meet the largest weights, so there is little room to move.",
      }
    end,
    takeaway = "alpha belongs to the model: 0.5 for some, 0.8 and more for others. Search it, by the output.",
    dives = { "which-alpha", "one-s" },
  },

  -- the same function -----------------------------------------------------------------------------------------------

  part { id = "same", title = "same function", core = true },

  predict {
    id = "planted", title = "Blind on one eye",
    ask = {
      "The lab model, a small one that reads and writes bytes. Four channels of each norm were made 64 times larger, and the weights that read them 64 times smaller: in FP32 the same function. INT8 with one fixed scale for X breaks it.",
      "Now SmoothQuant at alpha 0: its s depends on the weights alone, and never looks at X. What share of the lost bits comes back?",
    },
    given = function(lab)
      local m = lab.model { outliers = { channels = 4, times = 64 } }
      local r = lab.quality { model = m, tokens = 512, runs = { { weights = INT8, activations = FIXED } } }
      return { view.bars { title = "The planted model, text it never saw", unit = "bits a byte", from = 0, to = 4, bars = { { label = "FP32", value = r[1].fp32_bits_per_byte }, { label = "INT8", value = r[1].bits_per_byte } } } }
    end,
    number = { unit = "%", scale = "linear", within = "15 points", from = 0, to = 100 },
    hints = {
      "The planting touched two places. Which two?",
      "Are the four channels marked in the weights?",
    },
    wrong = { 0, 50, 20 },
    knobs = { times = { "64", choices = { "32", "64", "512" }, label = "planted, times", at = 1 } },
    compute = function(lab, knob)
      local times = tonumber(knob.times) -- a power of two: then no bit of the smoothed model changes
      local m = lab.model { outliers = { channels = 4, times = times } }
      local r = lab.quality { model = m, tokens = 512, runs = { { weights = INT8, activations = FIXED }, { weights = smoothed(0), activations = FIXED }, { weights = smoothed(0.5), activations = FIXED } } }
      local t = lab.quality { tokens = 512, runs = { { weights = smoothed(0), activations = FIXED } } }
      return { answer = 100 * (1 - r[2].delta / r[1].delta), none = r[1].delta, zero = r[2].delta, half = r[3].delta, trained = t[1].delta, times = times }
    end,
    reveal = function(o)
      return {
        view.bars { title = "Bits a byte lost against FP32", from = 0, bars = {
          { label = "planted, not smoothed", value = o.none }, { label = "planted, alpha 0", value = o.zero, role = "outcome" }, { label = "planted, alpha 0.5", value = o.half },
          { label = "as trained, alpha 0", value = o.trained } } },
        string.format("%s, without a look at X. The planting made X %s times larger and the weights %s times smaller, so it marked both. What s takes out of X and what it takes out of W multiply to the whole factor again:", percent(o.answer), fmt(o.times), fmt(o.times)),
        view.formula { title = "s of a planted channel at alpha 0, against the one it had", terms = { { label = "from X", value = 1, op = "=", note = fmt(o.times) .. " ^ alpha" }, { label = "from W", value = o.times, op = "*", note = fmt(o.times) .. " ^ (1 - alpha)" } }, result = "times larger, as at every alpha" },
        o.zero == o.trained and string.format("So the smoothed model is the same, planted or not, to the last bit: both lose %s bits.", bits(o.zero))
          or string.format("So the smoothed model is the same, planted or not: %s and %s bits lost.", bits(o.zero), bits(o.trained)),
        "Outliers that were trained need not be marked in W: for MiniLM alpha 0 was harmful.",
      }
    end,
    card = {
      front = "SmoothQuant changes X and W. What changes in the layer's exact output, and what at run time?",
      back = "SmoothQuant changes no output and adds no work: the division lives in the gain of the norm before the layer, the multiplication in the stored weights.",
      again = "Where does SmoothQuant's division live when the model runs?",
    },
    dives = { "training" },
  },

  -- who needs it ----------------------------------------------------------------------------------------------------

  part { id = "who", title = "who needs it", core = true },

  predict {
    id = "fp8", title = "And FP8?",
    ask = {
      "Back to the twin with six large channels. At alpha 0.5 smoothing lifts INT8's output by 15 dB: one scale for X, a scale a row for W.",
      "The same smoothing, but E4M3 for X and W. By how many dB does it lift the output?",
    },
    number = { unit = "dB", scale = "linear", within = "1.5 points", from = -5, to = 20 },
    hints = {
      "What sets the step of a float: the largest value, or the value itself?",
      "Divide a value by 8. Which bits of its code change?",
    },
    wrong = { 15, 8, 5 },
    knobs = {
      largest = { 60, from = 1, to = 600, scale = "log", label = "channels up to, times", at = 1 },
      s = { "exact", choices = { "exact", "powers of 2" }, label = "s", at = 2 },
    },
    compute = function(lab, knob)
      local x, w = twin(lab, 256, math.max(knob.largest, 1.01))
      local s = factors(lab, x, w, 0.5)
      if knob.s ~= "exact" then
        local list = {}
        for j = 1, s.cols do list[j] = 2 ^ math.floor(math.log(s:at(1, j), 2) + 0.5) end
        s = lab.values(list)
      end
      local sx, sw = x:divided(s), w:multiplied(s)
      local function both(format)
        local function of(a, b) return lab.linear { x = a, w = b, weights = { format, "channel" }, activations = { format, "tensor" } }.output_sqnr_db end
        return { of(x, w), of(sx, sw) }
      end
      local int8, e4m3 = both "int8", both "e4m3"
      return { answer = e4m3[2] - e4m3[1], int8 = int8, e4m3 = e4m3, rows = { lab.cast(52, "e4m3"), lab.cast(52 / 8, "e4m3") }, largest = knob.largest }
    end,
    reveal = function(o)
      for _, r in ipairs(o.rows) do r.label = fmt(r.value) end
      return {
        view.bars { title = "The layer's output", unit = "dB", bars = {
          { label = "INT8", value = o.int8[1] }, { label = "INT8, smoothed", value = o.int8[2] },
          { label = "E4M3", value = o.e4m3[1] }, { label = "E4M3, smoothed", value = o.e4m3[2], role = "outcome" } } },
        string.format("INT8 gains %s, E4M3 %s. A float carries its own scale: divided by 8, its exponent falls by 3 and its mantissa stays, and with it the error.", db(o.int8[2] - o.int8[1]), o.answer < 0.05 and "nothing" or db(o.answer)),
        view.bits { rows = o.rows, caption = "A value in E4M3, and the value divided by 8" },
        o.largest < 10 and "So smoothing belongs to INT8, and to layers whose channels are uneven." or string.format("So smoothing belongs to INT8. Channels up to %s times larger are no trouble for E4M3: from its largest value, 448, down to 1/64 it keeps all of its mantissa, a range of 28,672.", fmt(o.largest)),
      }
    end,
    card = {
      front = "Smoothing lifts an INT8 layer by some 15 dB. How many dB does an E4M3 layer gain?", answer = 1.2, within = "1 point", unit = "dB",
      back = "E4M3 gains about 1 dB from smoothing. A float's step follows each value, so moving range hardly changes its error.",
      again = "INT8 gains 15 dB from smoothing. How many does FP8 E4M3 gain?",
    },
  },

  predict {
    id = "loud", title = "One loud token",
    ask = {
      "The smoothed twin, alpha 0.5, INT8. Of 256 tokens one comes ten times louder than any other. Three ways to set X's scale: for each token, for this batch of 256, or once, on 512 tokens of other text.",
      "Which leaves the output of the other 255 tokens best?",
    },
    order = { first = "best first", { "token", "a scale a token" }, { "batch", "one, for this batch" }, { "fixed", "one, fixed before" } },
    hints = {
      "Who sets the step of the 255, in each of the three?",
      "The fixed scale never heard the loud token. What becomes of that token, and of the others?",
    },
    wrong = { { "token", "batch", "fixed" }, { "batch", "token", "fixed" }, { "fixed", "batch", "token" } },
    knobs = { loud = { 10, from = 1, to = 100, scale = "log", label = "loudness, times", at = 1 } },
    compute = function(lab, knob)
      local all, w = twin(lab, 769)
      local calibration = all:with { rows = { 1, 257 }, value = 0 } -- the 512 others
      local s = factors(lab, calibration, w, 0.5)
      local x, sw = all:take(256):with { rows = 100, times = knob.loud }:divided(s), w:multiplied(s)
      local limit, rounded = calibration:divided(s).amax, lab.quantize(sw, { format = "int8", scale = "channel" }).values
      local y = lab.product(x, sw)
      local function only(t) return t:with { rows = { 1, 99 }, value = 0 }:with { rows = { 101, 256 }, value = 0 } end
      local function by(id, label, values)
        local out = lab.product(values, rounded)
        return { id = id, label = label, others = lab.compare(y:with { rows = 100, value = 0 }, out:with { rows = 100, value = 0 }).sqnr_db, loud = lab.compare(only(y), only(out)).sqnr_db, error = y:minus(out) }
      end
      local function one(t) return lab.quantize(t, { format = "int8", scale = "tensor" }).values end
      -- a 257th row that reaches the limit makes the tensor's scale the fixed one
      local fixed = one(all:take(257):with { rows = 100, times = knob.loud }:divided(s):clipped { limit = limit }:with { rows = 257, value = limit }):take(256)
      local made = { by("token", "a scale a token", lab.quantize(x, { format = "int8", scale = "token" }).values), by("batch", "for the batch", one(x)), by("fixed", "fixed before", fixed) }
      local list, ids = { table.unpack(made) }, {}
      table.sort(list, function(a, b) return a.others > b.others end)
      for i, m in ipairs(list) do ids[i] = m.id end
      return { answer = ids, made = made, loud = knob.loud }
    end,
    reveal = function(o)
      local maps, rows = {}, {}
      for i, m in ipairs(o.made) do
        maps[i] = { m.error, label = m.label, note = db(m.others) }
        rows[i] = { m.label, db(m.others), db(m.loud) }
      end
      local batch, fixed = o.made[2], o.made[3]
      return {
        view.maps { beside = true, title = "Error of the output, token by token", measure = "|error|", maps = maps },
        view.table { columns = { "scale", "the other 255", "the loud one" }, rows = rows },
        batch.others < fixed.others - 0.5 and string.format("Computed beats fixed, one would think. But the batch's scale reaches up to the loud token, and 255 others get its coarse steps: %s. The fixed scale cuts the loud one off: it alone pays (%s), and the rest keep %s.", db(batch.others), db(fixed.loud), db(fixed.others))
          or string.format("At %s times the batch's scale need not reach further than the fixed one, and the two are level. Turn the knob up.", fmt(o.loud)),
        "In a server the batch is other people's text. A scale a token lets nobody pay for a neighbor.",
      }
    end,
    card = {
      front = "One token is ten times louder than the rest. Who pays under a scale for the batch, and who under a fixed one?",
      back = "Under the batch's scale all others pay for a loud token, with coarse steps. Under a fixed scale it pays alone, cut off.",
      again = "When is a fixed activation scale kinder than one computed for the batch?",
    },
  },

  -- reach -----------------------------------------------------------------------------------------------------------

  part { id = "reach-part", title = "reach", core = true },

  predict {
    id = "reach", title = "What a norm feeds",
    ask = {
      "The lab model as it was trained. In INT8, with one fixed scale for each layer's X, its predictions drift from FP32's by a KL divergence that weights hardly contribute to.",
      "SmoothQuant, alpha 0.5, treats what a norm feeds, since the division needs a gain to live in: query, key, value, gate and up; not attention's output, not down. What share of the divergence goes away?",
    },
    number = { unit = "%", scale = "linear", within = "15 points", from = -50, to = 100 },
    hints = {
      "Five of seven matrices are treated. Is the error spread evenly over seven?",
      "down reads a product of two vectors, silu(gate) times up. No norm levels it.",
    },
    wrong = { 90, 70, 50 },
    knobs = {
      scale = { "fixed", choices = { "fixed", "a token" }, label = "X: scale", at = 1 },
      alpha = { 0.5, from = 0, to = 1, step = 0.05, label = "alpha", at = 2 },
    },
    compute = function(lab, knob)
      local x = knob.scale == "fixed" and FIXED or TOKEN
      local r = lab.quality { tokens = 512, runs = { { weights = INT8, activations = x }, { weights = smoothed(knob.alpha, true), activations = x }, { weights = smoothed(knob.alpha), activations = x }, { weights = INT8 }, x == TOKEN and { weights = INT8, activations = FIXED } or nil } }
      local sites = {}
      for i, s in ipairs { { "self_attn.q_proj", "query, key, value", true }, { "self_attn.o_proj", "attention's output" }, { "mlp.gate_proj", "gate, up", true }, { "mlp.down_proj", "down" } } do
        local t = lab.activations { site = "layers.1." .. s[1], tokens = 256 }
        sites[i] = { label = s[2], db = lab.quantize(t, { format = "int8", scale = x.scale }).sqnr_db, treated = s[3] }
      end
      return { answer = math.floor(1000 * (1 - r[2].kl / r[1].kl) + 0.5) / 10, none = r[1].kl, folded = r[2].kl, everywhere = r[3].kl, weights = r[4].kl, fixed = r[5] and r[5].kl, sites = sites, token = knob.scale ~= "fixed" }
    end,
    reveal = function(o)
      local bars = {}
      for i, s in ipairs(o.sites) do bars[i] = { label = s.label, value = s.db, role = s.label == "down" and "outcome" or nil, note = s.treated and "a norm feeds it" or nil } end
      return {
        view.bars { title = "What enters layer 2 of 6, in INT8", unit = "dB", from = 0, bars = bars },
        view.bars { title = "KL divergence from FP32", unit = "nats a byte", from = 0, bars = {
          { label = "not smoothed", value = o.none }, { label = "where a norm feeds", value = o.folded, role = "outcome" }, { label = "everywhere", value = o.everywhere }, { label = "only W rounded", value = o.weights } } },
        math.abs(o.answer) < 15 and "Next to nothing. The treated inputs were fine already: a norm had leveled them. The damage is done at down, which reads a product of two vectors, full of spikes."
          or string.format("%s of it goes.", percent(o.answer)),
        o.token and string.format("With a scale a token %s nats are lost before anybody smooths, with the fixed one it was %s: a spike spoils no token but its own.", fmt(o.none), fmt(o.fixed))
          or "Dividing down's inputs as well is no cure: a channel of them spikes rarely, and one that was quiet in the calibration text is divided by little. Its first spike lands beyond the fixed scale. What would hold it? Give X a scale a token, or spread the spike out: that is the next lesson.",
      }
    end,
    takeaway = "SmoothQuant reaches inputs that a norm feeds, and outliers that stay in their channel. What enters down is neither.",
    dives = { "quiet" }, links = { "rotation" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague says: \"Smoothing does not change the function at all. So why should it help?\" What do you answer?",
    model = "The product stays, but the range moves: activation channels get even, weight columns slightly uneven, and both then round well. Alpha sets the split, and the best one lies where neither error rules; it differs between models. The division costs nothing, it sits in the norm's gain. It reaches only what a norm feeds, and FP8 hardly gains, since each float has its own scale.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "which-alpha", title = "Which alpha should I take?",
    "The one that your model's output likes best. The SmoothQuant repository uses 0.5 for OPT and BLOOM, 0.75 for GLM and 0.8 to 0.9 for Llama (cited). The search costs minutes: one number, a few hundred sentences.",
    compute = function(lab)
      local rows = {}
      for i, of in ipairs { { "query", "wide_attention_in", "query_weight" }, { "attention out", "wide_attention_out_in", "attention_out_weight" }, { "feed-forward", "wide_ffn_in", "ffn_weight" }, { "after GELU", "wide_ffn_out_in", "ffn_out_weight" } } do
        local x, w = lab.tensor("minilm/" .. of[2]):take(128), lab.tensor("minilm/" .. of[3])
        local function at(alpha) return lab.linear { x = x, w = w, weights = { "int8", "channel" }, activations = { "int8", "tensor" }, smooth = alpha }.output_sqnr_db end
        local best, plain = 0, lab.linear { x = x, w = w, weights = { "int8", "channel" }, activations = { "int8", "tensor" } }.output_sqnr_db
        for k = 1, 10 do if at(k / 10) > at(best) then best = k / 10 end end
        rows[i] = { of[1], db(plain), db(at(0.5)), string.format("%s at %s", db(at(best)), fmt(best)) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM's layers in INT8, one scale for X: output, computed now", columns = { "layer", "not smoothed", "alpha 0.5", "best" }, rows = o.rows } } end,
  },

  dive {
    id = "one-s", title = "Do query, key and value share one s?",
    "They must: all three read the same normed input, and it can be divided only once. So the largest weight is taken over the three matrices together. Gate and up share theirs in the same way.",
    compute = function(lab)
      local x, w = lab.tensor("minilm/wide_attention_in"):take(256), {}
      for i, name in ipairs { "query", "key", "value" } do w[i] = lab.tensor("minilm/" .. name .. "_weight") end
      local largest, s, rows = {}, {}, {}
      for i = 1, 3 do largest[i] = w[i]:maxima "column" end
      local channels = x:maxima "column"
      for j = 1, x.cols do s[j] = math.max(1e-5, (channels:at(1, j) / math.max(largest[1]:at(1, j), largest[2]:at(1, j), largest[3]:at(1, j))) ^ 0.5) end
      local shared = lab.values(s)
      local function output(by, m) return lab.linear { x = x:divided(by), w = m:multiplied(by), weights = { "int8", "channel" }, activations = { "int8", "tensor" } }.output_sqnr_db end
      for i, name in ipairs { "query", "key", "value" } do rows[i] = { name, db(output(factors(lab, x, w[i], 0.5), w[i])), db(output(shared, w[i])) } end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM, INT8, alpha 0.5: output", columns = { "matrix", "an s of its own", "one s for three" }, rows = o.rows } } end,
  },

  dive {
    id = "training", title = "Does SmoothQuant need training, or data?",
    "No training. But s needs the largest value of each channel, so some text must flow through once; the paper takes 512 sentences. A fixed scale for X needs the same text. A few dozen tokens do most of it, since an outlier channel is large at nearly every token; a single one does not show all channels, and ruins the layer.",
    compute = function(lab)
      local all, w = lab.tensor "minilm/wide_ffn_in", lab.tensor "minilm/ffn_weight"
      local rest, rows = all:with { rows = { 1, 768 }, value = 0 }, {}
      local y = lab.product(rest, w)
      for i, tokens in ipairs { 1, 4, 16, 64, 256, 768 } do
        local s = factors(lab, all:take(tokens), w, 0.8)
        local out = lab.product(lab.quantize(rest:divided(s), { format = "int8", scale = "token" }).values, lab.quantize(w:multiplied(s), { format = "int8", scale = "channel" }).values)
        rows[i] = { tostring(tokens), db(lab.compare(y, out).sqnr_db) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM, alpha 0.8, a scale a token: output for 256 tokens that s never saw", columns = { "tokens that s saw", "output" }, rows = o.rows } } end,
  },

  dive {
    id = "quiet", title = "Why not smooth every layer?",
    "Attention's output and down have no norm before them. The division could still be folded: into the rows of value, or of up. But it must fit text that was not seen, and down's channels spike rarely.",
    compute = function(lab)
      local rows = {}
      for i, layer in ipairs { 0, 2, 4 } do
        local name = "layers." .. layer .. ".mlp.down_proj"
        local all, w = lab.activations { site = name, tokens = 1024 }, lab.parameter { name = name }
        local seen, new = all:take(512), all:with { rows = { 1, 512 }, value = 0 }
        local s = factors(lab, seen, w, 0.5)
        rows[i] = { tostring(layer + 1), fmt(new.amax / seen.amax), fmt(new:divided(s).amax / seen:divided(s).amax) }
      end
      return { rows = rows }
    end,
    reveal = function(o)
      return { view.table { caption = "Lab model, down: the largest new value, in units of the largest that calibration saw", columns = { "layer", "as it is", "divided by s" }, rows = o.rows },
        "Above 1 a fixed scale cuts off. s was fitted to one text, and overfits it." }
    end,
  },

  dive {
    id = "slower", title = "Is a smoothed model slower, or another model?",
    "Neither. The gain of a norm and some weights have other values; no operation was added. In FP32 the output differs by FP32's own rounding.",
    "One exception: BERT and its kin, MiniLM among them, norm after the residual sum, so what the norm puts out also goes around the layer. There the division needs an operation of its own.",
    compute = function(lab)
      local x, w = twin(lab)
      local s = factors(lab, x, w, 0.5)
      return { same = lab.compare(lab.product(x, w), lab.product(x:divided(s), w:multiplied(s))).sqnr_db }
    end,
    reveal = function(o) return { string.format("Tried just now on the twin: without any rounding to integers the outputs agree to %.0f dB.", o.same) } end,
  },

  dive {
    id = "smooth-awq", title = "Is AWQ the same trick?",
    "The same algebra for another purpose. SmoothQuant makes X easier to round. AWQ leaves X in 16 bits and uses the division to give salient weights finer steps: those that meet large inputs are multiplied up before rounding.",
    compute = function(lab)
      local x, w = twin(lab)
      local function at(alpha)
        local s = factors(lab, x, w, alpha)
        local back = lab.quantize(w:multiplied(s), { format = "int4", scale = "group:128" }).values:divided(s)
        return { lab.compare(w, back).sqnr_db, lab.compare(lab.product(x, w), lab.product(x, back)).sqnr_db }
      end
      local plain = lab.quantize(w, { format = "int4", scale = "group:128" }).values
      return { plain = { lab.compare(w, plain).sqnr_db, lab.compare(lab.product(x, w), lab.product(x, plain)).sqnr_db }, moved = at(0.3) }
    end,
    reveal = function(o)
      return { view.table { caption = "Only W rounded, INT4 in groups of 128, alpha 0.3", columns = { "", "the weights", "the output" }, rows = { { "as they are", db(o.plain[1]), db(o.plain[2]) }, { "range moved", db(o.moved[1]), db(o.moved[2]) } } },
        "The weights got worse and the output better: the error was moved to where it is multiplied by little." }
    end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "rotation", title = "Spread it out",
    "Rotate inputs and weights alike: the products stay.",
    "A large channel is spread over all of them.",
    "It reaches inputs that no norm feeds.",
    "Formats with small blocks can lose by it." },
  link { lesson = "awq", title = "Which channels are salient?",
    "Weights that meet large inputs matter most.",
    "AWQ multiplies their columns before rounding and divides the input.",
    "Nothing stays FP16.",
    "The exponent is searched, for the least output error." },
}
