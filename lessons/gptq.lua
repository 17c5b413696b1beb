-- Let the other weights make up for it: GPTQ column by column; what it trades, for which inputs, and on whose word.
-- Seeded layers whose features correlate, MiniLM's layers, and the lab model; nothing is trained.

local function percent(x) return fmt(x) .. " %" end
local function db(x) return string.format("%.1f dB", x) end

local R = 0.95 -- how much a feature correlates with its neighbor

-- Tokens whose neighboring features correlate.
local function tokens(lab, n, stream, r, cols)
  return lab.gaussian { rows = n, cols = cols or 256, stream = stream }:correlated(r or R)
end

local function layer(lab, rows)
  return lab.gaussian { rows = rows or 256, cols = 256, sigma = 0.02, stream = 1 }
end

-- Weights rounded by a method that saw x, and what it did to the output on other tokens.
local function by(lab, method, w, x, held, format, options)
  local o = { method = method, w = w, x = x, held = held, format = format or "int4", scale = "channel" }
  for k, v in pairs(options or {}) do o[k] = v end
  return lab.method(o)
end

local function meters(title, weights, outputs)
  return view.bars { title = title, unit = "dB", from = 0, bars = {
    { label = "weights, nearest", value = weights[1] }, { label = "weights, GPTQ", value = weights[2], role = weights.role },
    { label = "output, nearest", value = outputs[1] }, { label = "output, GPTQ", value = outputs[2], role = outputs.role } } }
end

return lesson {
  id = "gptq", title = "Let the other weights make up for it", course_part = "C", minutes = 14, needs = { "scales" },
  win = "say what GPTQ trades, weight error for output error, and for which inputs that holds",
  sources = {
    "arXiv:2210.17323 GPTQ, and gptq.py of its repository",
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) for the real layers",
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
  },

  -- the payment -----------------------------------------------------------------------------------------------------

  part { id = "payment", title = "the payment", core = true },

  read {
    id = "setting", title = "One error, many debtors",
    "A layer's output is a sum: each weight times its input. Round one weight, and the sum is off by its error times that input.",
    "Inputs rise and fall together: they correlate. So another weight, whose input moves alike, can be shifted to pay the error back, as long as it has not been rounded itself.",
    "GPTQ rounds column by column. After each, all columns to come move by what they can pay. How much that is, it reads from calibration tokens: text that is run through the layer once. Nothing is trained.",
    "Two meters stand beside each other in this lesson: how far the weights are from what they were, and how far the layer's output is. Both as SQNR; higher is better.",
    view.quote "Too little salt went into the dough, so the butter to come is taken salted.",
  },

  predict {
    id = "two", title = "Two weights",
    ask = {
      "Two weights, 0.4 and 0.4, and only whole numbers are allowed. Their inputs are of one size and correlate by 0.95. The first was rounded to 0.",
      "Where should the second move before it is rounded itself?",
    },
    place = { from = -0.5, to = 1.5, tick = 0.05, within = "0.1 points" },
    hints = {
      "What is missing in the sum now?",
      "How much of the missing input does the second input know?",
    },
    wrong = { 0.4, 0, 1.5 },
    knobs = { r = { 0.95, from = -0.95, to = 0.95, step = 0.05, label = "correlation", at = 1 } },
    compute = function(lab, knob)
      local x, w = tokens(lab, 8192, 0, knob.r, 2), lab.values { 0.4, 0.4 }
      local h = lab.product(x:transposed(), x:transposed())
      local moved = 0.4 + 0.4 * h:at(1, 2) / h:at(2, 2)
      local q = lab.method { method = "gptq", w = w, x = x, format = "int4", scale = "none" }.weights
      local near = lab.quantize(w, { format = "int4", scale = "none" }).values
      local y = lab.product(x, w)
      local function errors(v) return { lab.compare(w, v).noise, lab.compare(y, lab.product(x, v)).noise / x.rows } end
      return { answer = moved, r = knob.r, q = { q:at(1, 1), q:at(1, 2) }, near = errors(near), gptq = errors(q) }
    end,
    reveal = function(o)
      local function pair(v) return string.format("%.2f", v[1]), string.format("%.2f", v[2]) end
      local nw, no = pair(o.near)
      local gw, go = pair(o.gptq)
      return {
        view.grid { from = -0.5, to = 1.5, values = { 0, 1 }, marks = { { at = 0.4, label = "0.4 it was", role = "value" }, { at = o.answer, label = fmt(o.answer) .. " it moves to", role = "outcome" } } },
        string.format("0.4 is missing, and the second input knows %s of the first: the second weight moves by %s, to %s, and is rounded to %s.", fmt(o.r), fmt(0.4 * o.r), fmt(o.answer), fmt(o.q[2])),
        view.table { columns = { "codes", "error of the weights", "error of the output" }, rows = { { "nearest: 0 and 0", nw, no }, { string.format("GPTQ: %s and %s", fmt(o.q[1]), fmt(o.q[2])), gw, go } } },
        o.gptq[1] > o.near[1] and "Farther from the old weights, nearer to the old output. That is all of GPTQ; a real layer does it for thousands of columns at once."
          or math.abs(o.r) < 0.01 and "Inputs without correlation know nothing of each other: nothing can be paid, and nothing moves."
          or "Here it moves, but not across a half: its code stays.",
      }
    end,
    card = {
      front = "A weight lost 0.4 by rounding. The next one's input correlates with its input by 0.95. By how much does GPTQ move the next weight?", answer = 0.38, within = "3 %",
      back = "The next weight moves by 0.38, the lost 0.4 times 0.95: as much as the next input knows of this one.",
      again = "0.4 was lost to rounding and the neighbor's input correlates by 0.95. How far does the neighbor move?",
    },
    dives = { "training" },
  },

  -- two meters ------------------------------------------------------------------------------------------------------

  part { id = "meters-part", title = "two meters", core = true },

  predict {
    id = "meters", title = "Which meter pays",
    ask = {
      "A layer of 256 by 256 weights in INT4, a scale a row. Neighboring input features correlate by 0.95. GPTQ saw 2,048 tokens; the output is measured on 1,024 others.",
      "Where does the weights' own meter stand after GPTQ?",
    },
    given = function(lab)
      local w, x, held = layer(lab), tokens(lab, 2048), tokens(lab, 1024, 2)
      local near, gptq = by(lab, "rtn", w, x, held), by(lab, "gptq", w, x, held)
      return { view.bars { unit = "dB", from = 0, bars = { { label = "weights, nearest", value = near.weight_sqnr_db }, { label = "output, nearest", value = near.held_sqnr_db }, { label = "output, GPTQ", value = gptq.held_sqnr_db } } } }
    end,
    number = { unit = "dB", scale = "linear", within = "1.5 points", from = 5, to = 35 },
    hints = {
      "What did the weights' error do in the case of two weights?",
      "Nearest rounding is, weight by weight, as near as it gets.",
    },
    wrong = { 18.2, 22, 28 },
    knobs = {
      r = { 0.95, from = 0, to = 0.99, step = 0.01, label = "correlation", at = 1 },
      scale = { "channel", choices = { "channel", "group:128" }, label = "W: a scale a", at = 2 },
    },
    compute = function(lab, knob)
      local w, x, held = layer(lab), tokens(lab, 2048, 0, knob.r), tokens(lab, 1024, 2, knob.r)
      local near, gptq = by(lab, "rtn", w, x, held, "int4", { scale = knob.scale }), by(lab, "gptq", w, x, held, "int4", { scale = knob.scale })
      return { answer = gptq.weight_sqnr_db, weights = { near.weight_sqnr_db, gptq.weight_sqnr_db }, outputs = { near.held_sqnr_db, gptq.held_sqnr_db }, r = knob.r }
    end,
    reveal = function(o)
      o.weights.role = "outcome"
      return {
        meters("On tokens that GPTQ never saw", o.weights, o.outputs),
        o.outputs[2] > o.outputs[1] and string.format("The weights got worse by %s, and the output better by %s. Each weight left its nearest code on purpose, to pay for those before it.", db(o.weights[1] - o.weights[2]), db(o.outputs[2] - o.outputs[1]))
          or string.format("With %s correlation nobody can pay%s. What GPTQ found in its tokens was chance, and the output is worse by %s.", o.r < 0.01 and "no" or "so little", o.r < 0.01 and "" or " much", db(o.outputs[1] - o.outputs[2])),
        o.r < 0.01 and "An input's neighbors know nothing of it here: there is nothing to gain." or string.format("The bound: no payment reaches the part of an input that its neighbors do not know. At %s that part is 1 - %s^2 of its energy, so the gain ends at %s.", fmt(o.r), fmt(o.r), db(-10 * math.log(1 - o.r ^ 2, 10))),
        o.outputs[2] > o.outputs[1] and "Whoever judges a rounding by the distance of its weights would throw GPTQ away." or nil,
      }
    end,
    card = {
      front = "GPTQ against rounding to nearest: which of the two meters falls, the weights' or the output's?",
      back = "Under GPTQ the weights' meter falls, by some 3 dB: they leave their nearest codes to cancel earlier errors. The output's rises, here by 10 dB.",
      again = "GPTQ lifted a layer's output by 10 dB. Which meter paid?",
    },
    dives = { "act-order" },
  },

  predict {
    id = "white", title = "Other inputs",
    ask = {
      "The same GPTQ weights, calibrated on features that correlate by 0.95. Now they meet inputs whose features have nothing to do with each other: white noise of the same size.",
      "Where does the output stand? On inputs like those of calibration it is 28 dB; nearest rounding gives 18 on any.",
    },
    number = { unit = "dB", scale = "linear", within = "1 point", from = 5, to = 35 },
    hints = {
      "A debt was paid in another input's currency. What is that worth now?",
      "If no error can cancel another, what is left of the two meters?",
    },
    wrong = { 28, 18, 22 },
    knobs = { r = { 0, from = -0.95, to = 0.95, step = 0.05, label = "new inputs correlate by", at = 1 } },
    compute = function(lab, knob)
      local w, x = layer(lab, 128), tokens(lab, 2048)
      local near, gptq = by(lab, "rtn", w, x), by(lab, "gptq", w, x)
      local function at(r, q)
        local other = tokens(lab, 512, 3, r)
        return lab.compare(lab.product(other, w), lab.product(other, q.weights)).sqnr_db
      end
      local xs, a, b = {}, {}, {}
      for i, r in ipairs { -0.95, -0.5, 0, 0.5, 0.8, 0.95 } do xs[i], a[i], b[i] = r, at(r, gptq), at(r, near) end
      return { answer = at(knob.r, gptq), near = at(knob.r, near), weights = { near.weight_sqnr_db, gptq.weight_sqnr_db }, x = xs, gptq = a, nearest = b, r = knob.r }
    end,
    reveal = function(o)
      return {
        view.plot { x = { label = "the new inputs correlate by", from = -1, to = 1 }, y = { label = "output", unit = "dB", from = 10, to = 30 },
          series = { { label = "GPTQ", x = o.x, y = o.gptq, role = "outcome" }, { label = "nearest", x = o.x, y = o.nearest } }, refs = { { x = o.r, label = math.abs(o.r) < 0.01 and "white noise" or fmt(o.r) } } },
        math.abs(o.r) < 0.01 and string.format("%s: exactly the weights' own meter, %s. Independent features cancel nothing, so the output's error is the weights' error, and GPTQ made that larger.", db(o.answer), db(o.weights[2]))
          or string.format("At %s: GPTQ %s, nearest %s.", fmt(o.r), db(o.answer), db(o.near)),
        "GPTQ's gain is a bet that inputs will go on to correlate as they did. Nearest rounding bets nothing. On features that turn against each other, at the left, each payment adds to the debt.",
      }
    end,
    card = {
      front = "For which inputs is a layer's output error simply its weight error, so that GPTQ does worse than nearest rounding?",
      back = "On inputs whose features do not correlate no error can cancel another: output error is weight error, and GPTQ does worse.",
      again = "When does GPTQ lose to rounding to nearest?",
    },
  },

  -- whose word ------------------------------------------------------------------------------------------------------

  part { id = "word", title = "whose word", core = true },

  predict {
    id = "tokens", title = "A superb score",
    ask = {
      "GPTQ calibrates the layer on 16, on 128, on 1,024 or on 4,096 tokens. Each time the output is scored on the very tokens that it was calibrated on.",
      "Which gets the best score?",
    },
    order = { first = "best score first", { "4096", "4,096 tokens" }, { "16", "16 tokens" }, { "1024", "1,024 tokens" }, { "128", "128 tokens" } },
    hints = {
      "There are 256 columns. How many directions do 16 tokens look in?",
      "An error that no token looks at costs nothing, in that score.",
    },
    wrong = { { "4096", "1024", "128", "16" }, { "1024", "4096", "128", "16" }, { "128", "1024", "4096", "16" } },
    knobs = { damp = { 0.01, from = 0.0001, to = 1, scale = "log", label = "damping", at = 1 } },
    compute = function(lab, knob)
      local w, held = layer(lab, 128), tokens(lab, 1024, 2)
      local all, xs, seen, fresh, list = tokens(lab, 4096), {}, {}, {}, {}
      for i, n in ipairs { 16, 64, 128, 512, 1024, 4096 } do
        lab.progress(i / 7, n .. " tokens")
        local r = by(lab, "gptq", w, all:take(n), held, "int4", { damp = knob.damp })
        xs[i], seen[i], fresh[i] = n, r.output_sqnr_db, r.held_sqnr_db
        if n ~= 64 and n ~= 512 then list[#list + 1] = { id = tostring(n), db = seen[i] } end
      end
      table.sort(list, function(a, b) return a.db > b.db end)
      local ids = {}
      for i, m in ipairs(list) do ids[i] = m.id end
      return { answer = ids, x = xs, seen = seen, fresh = fresh, near = by(lab, "rtn", w, held, held).held_sqnr_db, damp = knob.damp }
    end,
    reveal = function(o)
      return {
        view.plot { x = { label = "calibration tokens", scale = "log", from = 16, to = 4096 }, y = { label = "output", unit = "dB", from = 15, to = 45 },
          series = { { label = "its own tokens", x = o.x, y = o.seen }, { label = "fresh tokens", x = o.x, y = o.fresh, role = "outcome" } }, refs = { { y = o.near, label = "nearest" } } },
        string.format("The fewest tokens give the best score, %s, and %s layer, %s on fresh tokens. Its 16 tokens look in 16 directions of 256, and the errors went into the others.", db(o.seen[1]), o.fresh[1] <= math.min(table.unpack(o.fresh)) and "the worst" or "a bad", db(o.fresh[1])),
        string.format("The two curves close like a funnel, at about %s. Where they meet, more text brings nothing.", db(o.fresh[#o.fresh])),
        "Damping makes GPTQ distrust rare directions, as if each feature also carried a little noise of its own. How much is too much? Turn the knob.",
      }
    end,
    card = {
      front = "GPTQ scores superbly on its calibration tokens. What may that mean?",
      back = "A superb score may mean too few tokens: with fewer tokens than columns, errors go where no token looks. Score on fresh text.",
      again = "On which data is a GPTQ layer to be judged, and why?",
    },
    dives = { "how-much" },
  },

  predict {
    id = "real", title = "A real layer's bet",
    ask = {
      "MiniLM's matrix after GELU: 1,536 input features. GPTQ, INT4, calibrated on 768 real tokens. On those tokens the output stands at 28 dB; nearest rounding has 18.5.",
      "Where does it stand on 256 tokens from other sentences?",
    },
    number = { unit = "dB", scale = "linear", within = "1.5 points", from = 10, to = 35 },
    hints = {
      "768 tokens, 1,536 columns: where in the funnel is that?",
      "More than half of all directions went unchecked. The gain shrinks, but it need not vanish.",
    },
    wrong = { 28, 26, 18.5 },
    knobs = {
      layer = { "after GELU", choices = { "query", "feed-forward", "after GELU" }, label = "layer", at = 1 },
      tokens = { "768", choices = { "96", "384", "768" }, label = "tokens", at = 2 },
    },
    compute = function(lab, knob)
      local of = ({ query = { "wide_attention_in", "query_weight" }, ["feed-forward"] = { "wide_ffn_in", "ffn_weight" }, ["after GELU"] = { "wide_ffn_out_in", "ffn_out_weight" } })[knob.layer]
      local all, w = lab.tensor("minilm/" .. of[1]), lab.tensor("minilm/" .. of[2])
      local seen = math.min(768, math.floor(all.rows * 3 / 4))
      local x, held = all:take(math.min(seen, tonumber(knob.tokens))), all:with { rows = { 1, seen }, value = 0 } -- rows of 0 add neither signal nor error
      local near, gptq = by(lab, "rtn", w, x, held), by(lab, "gptq", w, x, held)
      return { answer = gptq.held_sqnr_db, near = { near.weight_sqnr_db, near.output_sqnr_db, near.held_sqnr_db }, gptq = { gptq.weight_sqnr_db, gptq.output_sqnr_db, gptq.held_sqnr_db }, tokens = x.rows, cols = w.cols }
    end,
    reveal = function(o)
      return {
        view.bars { unit = "dB", from = 0, bars = {
          { label = "weights, nearest", value = o.near[1] }, { label = "weights, GPTQ", value = o.gptq[1] },
          { label = "output, nearest", value = o.near[3] }, { label = "GPTQ, its own tokens", value = o.gptq[2] }, { label = "GPTQ, fresh tokens", value = o.gptq[3], role = "outcome" } } },
        string.format("GPTQ promised %s over nearest, and on fresh tokens %s %s. %s tokens for %s columns are few; GPTQ's paper takes 128 sequences of 2,048 tokens.", db(o.gptq[2] - o.near[2]), o.gptq[3] < o.near[3] and "it loses" or "keeps", db(math.abs(o.gptq[3] - o.near[3])), fmt(o.tokens), fmt(o.cols)),
        string.format("And the weights' meter went from %s to %s.", db(o.near[1]), db(o.gptq[1])),
      }
    end,
    takeaway = "GPTQ's gain counts on fresh text only, and it takes many more tokens than the layer has columns.",
    dives = { "gptq-or-awq" }, links = { "awq" },
  },

  -- fewer bits ------------------------------------------------------------------------------------------------------

  part { id = "bits-part", title = "fewer bits", core = true },

  predict {
    id = "bits", title = "A bit against a method",
    ask = {
      "The seeded layer again, features that correlate by 0.95, output on fresh tokens. Nearest rounding or GPTQ, 4 bits or 3.",
      "Rank the four.",
    },
    order = { first = "best output first", { "near4", "nearest, 4 bits" }, { "gptq4", "GPTQ, 4 bits" }, { "near3", "nearest, 3 bits" }, { "gptq3", "GPTQ, 3 bits" } },
    hints = {
      "A bit is worth about 7 dB here.",
      "What did GPTQ gain on the same layer in 4 bits?",
    },
    wrong = { { "gptq4", "near4", "gptq3", "near3" }, { "near4", "gptq4", "gptq3", "near3" } },
    knobs = { r = { 0.95, from = 0, to = 0.99, step = 0.01, label = "correlation", at = 1 } },
    compute = function(lab, knob)
      local w, x, held = layer(lab, 128), tokens(lab, 2048, 0, knob.r), tokens(lab, 512, 2, knob.r)
      local made, list, ids = {}, {}, {}
      for i, c in ipairs { { "near4", "nearest, 4 bits", "rtn", "int4" }, { "gptq4", "GPTQ, 4 bits", "gptq", "int4" }, { "near3", "nearest, 3 bits", "rtn", "int3" }, { "gptq3", "GPTQ, 3 bits", "gptq", "int3" }, { "gptq2", "GPTQ, 2 bits", "gptq", "int2" } } do
        local r = by(lab, c[3], w, x, held, c[4])
        made[i] = { id = c[1], label = c[2], output = r.held_sqnr_db }
        if c[4] ~= "int2" then list[#list + 1] = made[i] end
      end
      table.sort(list, function(a, b) return a.output > b.output end)
      for i, m in ipairs(list) do ids[i] = m.id end
      return { answer = ids, made = made, r = knob.r }
    end,
    reveal = function(o)
      local bars, sorted = {}, { table.unpack(o.made) }
      table.sort(sorted, function(a, b) return a.output > b.output end)
      for i, m in ipairs(sorted) do bars[i] = { label = m.label, value = m.output, role = m.id == "gptq3" and "outcome" or nil } end
      return {
        view.bars { title = "Output, fresh tokens", unit = "dB", from = 0, bars = bars },
        o.made[4].output > o.made[1].output and string.format("Three bits of GPTQ beat four bits of nearest rounding, %s to %s. The gain comes from correlation, so it is about the same at any width.", db(o.made[4].output), db(o.made[1].output))
          or string.format("With a correlation of %s the bit wins: %s to %s.", fmt(o.r), db(o.made[1].output), db(o.made[4].output)),
        "How much real features correlate decides. LLaMA-7B, perplexity: 16 bits 5.68, GPTQ 4 bits 6.09, nearest 4 bits 6.29, GPTQ 3 bits 8.07, nearest 3 bits 25.54: there the bit won (GPTQ repository, cited).",
      }
    end,
    takeaway = "GPTQ's gain comes from how well features predict each other, at any bit width. Measure it on your own layers.",
  },

  predict {
    id = "model", title = "What the model keeps of it",
    ask = {
      "All linear layers of the lab model, a small language model of bytes, in INT3 with a scale a row. Rounded to nearest, its predictions leave FP32's by 0.11 nats a byte (KL divergence).",
      "GPTQ instead, calibrated on 2,048 bytes of other text. What share of the divergence goes away?",
    },
    number = { unit = "%", scale = "linear", within = "15 points", from = -20, to = 100 },
    hints = {
      "Layer by layer a gain of 10 dB would take away nine tenths of the squared error.",
      "How much do the features of this model correlate, and how well do 2,048 bytes show it?",
    },
    wrong = { 90, 80, 10 },
    knobs = { format = { "int3", choices = { "int2", "int3", "int4" }, label = "weights", at = 1 } },
    compute = function(lab, knob)
      local function w(method) return { weights = { format = knob.format, scale = "channel", method = method } } end
      local r = lab.quality { tokens = 512, runs = { w "rtn", w "gptq" } }
      return { answer = math.floor(100 * (1 - r[2].kl / r[1].kl) + 0.5), kl = { r[1].kl, r[2].kl }, top1 = { 100 * r[1].top1, 100 * r[2].top1 }, bits = { r[1].delta, r[2].delta }, format = knob.format:upper() }
    end,
    reveal = function(o)
      return {
        view.bars { title = o.format .. ", KL divergence from FP32", unit = "nats a byte", from = 0, bars = { { label = "nearest", value = o.kl[1] }, { label = "GPTQ", value = o.kl[2], role = "outcome" } } },
        view.table { columns = { "", "nearest", "GPTQ" }, rows = { { "bits a byte lost", string.format("%.3f", o.bits[1]), string.format("%.3f", o.bits[2]) }, { "same likeliest byte as FP32", percent(o.top1[1]), percent(o.top1[2]) } } },
        string.format("%s goes away, not nine tenths. Each layer was fitted to what 2,048 bytes of calibration text sent through it; on fresh text the fit is looser.", percent(o.answer)),
        o.bits[2] > o.bits[1] and "The bits lost say the opposite, by less than they can tell on 512 bytes: KL is the steadier meter." or "It costs no bit and no time when the model runs, so it is worth having even so.",
      }
    end,
    takeaway = "GPTQ costs minutes to hours once and nothing at run time. What it brings, fresh text tells.",
    links = { "quality" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague compared checkpoints: \"GPTQ's weights are farther from the originals than plain rounding's. It must be broken.\" What do you answer?",
    model = "No, that is the method. Weights not yet rounded were moved to cancel the errors of those before, for inputs that correlate as the calibration text did. So the weights end farther off and the layer's output nearer. Judge it by the output, on text it never saw: with too little calibration, or inputs of another kind, the gain shrinks, and on features that do not correlate plain rounding wins.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "training", title = "Is GPTQ training?",
    "No gradient flows and nothing is learned step by step. The inputs' products are summed into one matrix (X transposed times X), it is factorized once, and each column is rounded once. The next layer then gets the inputs that the rounded layers before it produce.",
  },

  dive {
    id = "how-much", title = "How much calibration text, and which?",
    "Until the score on fresh text stops rising; the usual choice is 128 sequences of 2,048 tokens. The text should look like what the model will read: directions that it never takes are rounded without regard for them.",
    compute = function(lab)
      local w, rows = layer(lab, 128), {}
      local held = tokens(lab, 512, 2)
      for i, r in ipairs { 0.95, 0.9, 0.5, 0 } do
        local m = by(lab, "gptq", w, tokens(lab, 2048, 0, r), held)
        rows[i] = { fmt(r), db(m.output_sqnr_db), db(m.held_sqnr_db) }
      end
      return { rows = rows, near = by(lab, "rtn", w, held, held).held_sqnr_db }
    end,
    reveal = function(o) return { view.table { caption = "Read later: features that correlate by 0.95. Nearest rounding: " .. db(o.near), columns = { "calibration text correlates by", "its own score", "later" }, rows = o.rows } } end,
  },

  dive {
    id = "act-order", title = "What does act-order do?",
    "It rounds the columns with the largest inputs first, while all others can still pay for them. That suits layers with outlier channels. The price: columns of a group lie scattered, so the scales must be looked up column by column, unless they are fixed beforehand.",
    compute = function(lab)
      local rows = {}
      for i, of in ipairs { { "query", "wide_attention_in", "query_weight" }, { "feed-forward", "wide_ffn_in", "ffn_weight" } } do
        local all, w = lab.tensor("minilm/" .. of[2]), lab.tensor("minilm/" .. of[3])
        local x, held = all:take(768), all:with { rows = { 1, 768 }, value = 0 }
        rows[i] = { of[1], db(by(lab, "rtn", w, x, held).held_sqnr_db), db(by(lab, "gptq", w, x, held).held_sqnr_db), db(by(lab, "gptq", w, x, held, "int4", { act_order = true }).held_sqnr_db) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM, INT4, a scale a row: output on fresh tokens", columns = { "layer", "nearest", "GPTQ", "with act-order" }, rows = o.rows } } end,
  },

  dive {
    id = "gptq-or-awq", title = "GPTQ or AWQ?",
    "They learn different things from the same text. GPTQ learns how features move together, AWQ only how large they are. Sizes are learned from few tokens and change little between texts; correlations need many more. The two can be combined.",
    compute = function(lab)
      local all, w, rows = lab.tensor "minilm/wide_attention_in", lab.tensor "minilm/query_weight", {}
      local held = all:with { rows = { 1, 768 }, value = 0 }
      for i, n in ipairs { 128, 768 } do
        rows[i] = { tostring(n) }
        for k, m in ipairs { "rtn", "gptq", "awq" } do rows[i][k + 1] = db(by(lab, m, w, all:take(n), held).held_sqnr_db) end
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM, query, INT4, a scale a row: output on fresh tokens", columns = { "calibration tokens", "nearest", "GPTQ", "AWQ" }, rows = o.rows } } end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "awq", title = "Which channels are salient?",
    "Weights that meet large inputs matter most.",
    "AWQ multiplies their columns before rounding and divides the input.",
    "Nothing stays FP16.",
    "The exponent is searched, for the least output error." },
  link { lesson = "quality", title = "Does it hurt?",
    "Perplexity, KL divergence and top-word agreement disagree.",
    "Agreement moves before the benchmark does.",
    "Errors of a layer dilute in the residual stream.",
    "Judge on your own task, with an interval." },
}
