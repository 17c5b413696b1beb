-- The flour sack and the saffron: where large activations live, who pays for them, and which weights must stay exact.
-- Seeded twins of a layer, and real activations of all-MiniLM-L6-v2; nothing in the latter was planted.

local function percent(x) return fmt(x) .. " %" end
local function db(x) return string.format("%.1f dB", x) end

local INT8, TOKEN = { format = "int8", scale = "channel" }, { format = "int8", scale = "token" }

-- A layer's inputs with six large channels of 512, and its weights.
local function twin(lab, rows)
  return lab.gaussian { rows = rows or 256, cols = 512, channels = 6, channel_times = { 20, 60 } }, lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
end

-- The columns (from 1) of the six largest channels, and as a set.
local function large(x)
  local list, set = {}, {}
  for i = 1, 6 do
    list[i] = x:columns()[i].index + 1
    set[list[i]] = true
  end
  return list, set
end

return lesson {
  id = "outliers", title = "The flour sack and the saffron", course_part = "A", minutes = 16, needs = { "scales" },
  win = "see where outliers live, name the cure for that place, and the weights that must stay exact",
  sources = {
    "arXiv:2208.07339 LLM.int8()", "arXiv:2211.10438 SmoothQuant", "arXiv:2306.00978 AWQ",
    "arXiv:2402.17762 Massive Activations in Large Language Models",
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) for the real activations",
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
  },

  -- one value -------------------------------------------------------------------------------------------------------

  part { id = "one", title = "one value", core = true },

  read {
    id = "setting", title = "Rows and columns",
    "A layer multiplies activations X by weights W. A row of X is a token, a column is a channel: one feature of every token.",
    "Under one INT8 scale all numbers have the same step, set by the largest of them. So a large value survives and its neighbors pay. This lesson asks where the large values live, and who else pays.",
    "SQNR is signal over rounding error in decibels; 6 dB more is half the error.",
  },

  predict {
    id = "million", title = "One in a million",
    ask = {
      "A million ordinary values under one scale: INT8 beats FP8 E4M3 by about 7 dB. Now a single one of them grows.",
      "At how many times the typical size (rms) does E4M3 draw level?",
    },
    number = { unit = "times", scale = "log", within = "1.5 x", from = 1, to = 1000 },
    hints = {
      "What sets INT8's step, for all of the million?",
      "The largest of a million ordinary values is near 5 times the rms. Each doubling from there costs INT8 6 dB.",
    },
    wrong = { 100, 1000, 5 },
    knobs = { size = { 12, from = 1, to = 100000, scale = "log", label = "the one value, times", at = 1 } },
    compute = function(lab, knob)
      local t = lab.gaussian { rows = 1024, cols = 1024 }
      local others = t:with { rows = 500, cols = 300, value = 0 } -- the one value is stored well: it would hide their error
      local function both(size)
        local x, q = t:with { rows = 500, cols = 300, value = size * t.rms }, {}
        for i, format in ipairs { "int8", "e4m3" } do
          q[i] = lab.quantize(x, { format = format, scale = "tensor" })
          q[i] = { db = lab.compare(others, q[i].values:with { rows = 500, cols = 300, value = 0 }).sqnr_db, zeros = 100 * q[i].zero_fraction }
        end
        return q[1], q[2]
      end
      local x, a, b, cross = {}, {}, {}, nil
      for i = 0, 14 do
        local size = 4 * 10 ^ (i / 6)
        lab.progress(i / 15, fmt(size) .. " times")
        local int8, e4m3 = both(size)
        x[i + 1], a[i + 1], b[i + 1] = size, int8.db, e4m3.db
        if i > 0 and not cross and a[i + 1] <= b[i + 1] then
          local was, now = a[i] - b[i], a[i + 1] - b[i + 1]
          cross = x[i] * (x[i + 1] / x[i]) ^ (was / (was - now))
        end
      end
      local int8, e4m3 = both(knob.size)
      return { answer = cross, x = x, int8 = a, e4m3 = b, size = knob.size, now = { int8.db, e4m3.db, int8.zeros } }
    end,
    reveal = function(o, guess)
      return {
        view.plot { x = { label = "the one value, times the rms", scale = "log", from = 4, to = 1000 }, y = { label = "SQNR of the others", unit = "dB", from = 0 },
          series = { { label = "INT8", x = o.x, y = o.int8, role = "outcome" }, { label = "E4M3", x = o.x, y = o.e4m3 } }, refs = { { x = o.answer, label = "equal at " .. fmt(o.answer) } },
          guess = guess and type(guess.value) == "number" and guess.value >= 4 and guess.value <= 1000 and { x = guess.value, label = "you" } or nil },
        string.format("INT8's step is the largest value over 127, for all of them. One value among a million is enough, and at %s times the rms the lead of 7 dB is gone. E4M3's steps follow each value, so its neighbors do not notice.", fmt(o.answer)),
        string.format("With the one value at %s times the rms, the others have %s in INT8 (%s of them are 0) and %s in E4M3.", fmt(o.size), db(o.now[1]), percent(o.now[3]), db(o.now[2])),
        "E4M3 has an end too, far out: beyond some 10,000 times ordinary values fall into its subnormals. Turn the knob that far.",
      }
    end,
    card = {
      front = "One value among a million grows. At how many times the typical size does INT8 under one scale lose to E4M3?", answer = 12, within = "25 %",
      back = "INT8 loses to E4M3 at about 12 times the typical size: the largest value sets its step, for all.",
      again = "INT8 leads E4M3 by 7 dB until the largest value is so many times the rms. How many?",
    },
    dives = { "int8-or-fp8", "fp8-ends-it" },
  },

  -- where they live -------------------------------------------------------------------------------------------------

  part { id = "where", title = "where they live", core = true },

  predict {
    id = "columns", title = "A channel's habit",
    ask = {
      "Real activations: what enters a feed-forward layer of MiniLM, 128 tokens by 384 channels. Take the 100 largest of its 49,152 values.",
      "In how many channels do they lie?",
    },
    number = { unit = "channels", scale = "log", within = "2 x", from = 1, to = 100 },
    hints = {
      "If chance had placed them, they would lie in about 88 channels.",
      "Are all features of a token alike?",
    },
    wrong = { 88, 100, 50 },
    knobs = {
      tensor = { "enters the layer", choices = { "enters the layer", "inside, after GELU", "seeded twin" }, label = "tensor", at = 1 },
      top = { 100, from = 10, to = 250, step = 10, label = "largest", at = 2 },
    },
    compute = function(lab, knob)
      local x = knob.tensor == "seeded twin" and twin(lab, 128) or lab.tensor(knob.tensor == "enters the layer" and "minilm/ffn_in" or "minilm/ffn_out_in")
      local function spread(t)
        local cols, rows, channels, tokens = {}, {}, 0, 0
        for _, v in ipairs(t:top(math.floor(knob.top))) do
          if not cols[v.col] then channels = channels + 1 end
          if not rows[v.row] then tokens = tokens + 1 end
          cols[v.col], rows[v.row] = (cols[v.col] or 0) + 1, true
        end
        return channels, tokens, cols
      end
      local mixed = x:shuffled()
      local channels, tokens, cols = spread(x)
      local by_chance = spread(mixed)
      local named = {}
      for _, c in ipairs(x:columns()) do
        if cols[c.index + 1] and #named < 4 then named[#named + 1] = { index = c.index, times = c.times, count = cols[c.index + 1] } end
      end
      return { answer = channels, tokens = tokens, chance = by_chance, x = x, mixed = mixed, named = named, top = math.floor(knob.top),
               from = knob.tensor == "seeded twin" and "twin" or x.name:find "^minilm/" and "minilm" or "own" }
    end,
    reveal = function(o)
      local rows = {}
      for i, c in ipairs(o.named) do rows[i] = { tostring(c.index), fmt(c.times), tostring(c.count) } end
      return {
        view.maps { beside = true, title = "Token by channel", maps = { { o.x, label = "as it is", note = o.answer .. " channels" }, { o.mixed, label = "shuffled", note = o.chance .. " channels" } } },
        string.format("%d channel%s, at %d token%s. The same values in random order lie in %d. %s", o.answer, o.answer == 1 and "" or "s", o.tokens, o.tokens == 1 and "" or "s", o.chance,
          o.answer < o.chance / 2 and "An outlier is a channel's habit: large at token after token." or "So the habit is weak here: large values come up in many channels, each at a few tokens."),
        view.table { columns = { "channel", "its largest, times the median channel's", "of the " .. o.top }, rows = rows },
        o.from == "twin" and "In the twin six channels were planted. In MiniLM nothing was: turn the knob back." or o.from == "own" and "In large language models it is a handful of features, the same in most layers (LLM.int8())."
          or o.answer >= o.chance / 2 and "Nothing was planted here either. Lasting channels belong to what passes from layer to layer; inside a layer large values come and go."
          or "Nothing was planted here; the model was trained so. In large language models it is the same with more channels: a handful of features, the same in most layers (LLM.int8()).",
      }
    end,
    card = {
      front = "Where do the largest activations of a layer sit?",
      back = "The largest activations sit in few channels, at nearly every token. A scale a token therefore always contains them.",
      again = "Shuffle all values of an activation tensor: what about its outliers is lost?",
    },
    dives = { "massive", "weight-outliers" },
  },

  predict {
    id = "arrange", title = "Same values, three arrangements",
    ask = {
      "256 of 131,072 values are 60 times larger. They are scattered, or they fill one channel, or half of one token. INT8, one scale a token.",
      "In which arrangement are fewest ordinary values turned into 0?",
    },
    order = { first = "fewest zeros first", { "scattered", "scattered" }, { "channel", "one channel" }, { "token", "half of one token" } },
    hints = {
      "How many of the 256 rows contain a large value in each arrangement?",
      "Who shares a scale with it?",
    },
    wrong = { { "channel", "token", "scattered" }, { "scattered", "channel", "token" } },
    knobs = { scale = { "token", choices = { "token", "channel", "tensor" }, label = "one scale a", at = 1 } },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 256, cols = 512 }
      local made = { { id = "scattered", label = "scattered", x = x:with { count = 256, times = 60 } }, { id = "channel", label = "one channel", x = x:with { cols = 200, times = 60 } },
                     { id = "token", label = "half a token", x = x:with { rows = 100, cols = { 1, 256 }, times = 60 } } }
      for _, m in ipairs(made) do
        local q = lab.quantize(knob.scale == "channel" and m.x:transposed() or m.x, { format = "int8", scale = knob.scale })
        m.zeros = 100 * q.zero_fraction * x.n / (x.n - 256)
        m.db = q.sqnr_db
      end
      local list = { table.unpack(made) }
      table.sort(list, function(a, b) return a.zeros < b.zeros end)
      local ids = {}
      for i, m in ipairs(list) do ids[i] = m.id end
      return { answer = ids, made = made, scale = knob.scale }
    end,
    reveal = function(o)
      local maps, zeros = {}, {}
      for i, m in ipairs(o.made) do
        maps[i] = { m.x, label = m.label .. ": " .. percent(m.zeros) }
        zeros[m.id] = percent(m.zeros)
      end
      return {
        view.maps { beside = true, title = "Token by channel; turned into 0", maps = maps },
        o.scale == "token" and string.format("A scale helps where it keeps large and small apart. Half a token spoils one row: %s. Scattered values spoil most rows, a channel spoils all: %s and %s.", zeros.token, zeros.scattered, zeros.channel)
          or o.scale == "channel" and string.format("With a scale a channel the order is exactly reversed: %s for the channel, %s for the token.", zeros.channel, zeros.token)
          or "With one scale for all, everybody shares one step wherever the large values lie. The three differ only by how large the largest of the 256 happens to be.",
        "A channel looks tidy and is the worst for token scales. That is the case that real activations bring.",
      }
    end,
    takeaway = "A token scale cures outliers in few tokens, a channel scale those in few channels. Real ones sit in channels.",
    dives = { "why-channels" }, links = { "smoothquant" },
  },

  -- cures -----------------------------------------------------------------------------------------------------------

  part { id = "cures", title = "cures", core = true },

  predict {
    id = "clip", title = "Just clip them",
    ask = {
      "A layer with six large channels of 512. Before INT8 with one scale, X is clipped at its 99th percentile. The step shrinks, and hardly an ordinary value is turned into 0 any more.",
      "Where does the layer's output stand now?",
    },
    given = function(lab)
      local x, w = twin(lab)
      local function by(clip) return lab.quantize(x, { format = "int8", scale = "tensor", clip = clip }) end
      local before, after = by "none", by "percentile:99"
      return { view.table { columns = { "", "not clipped", "clipped" }, rows = {
        { "ordinary values turned into 0", percent(100 * before.zero_fraction * 512 / 506), percent(100 * after.zero_fraction * 512 / 506) },
        { "the layer's output", db(lab.compare(lab.product(x, w), lab.product(before.values, w)).sqnr_db), "?" } } } }
    end,
    number = { unit = "dB", scale = "linear", within = "3 points", from = -5, to = 50 },
    hints = {
      "What exactly was cut off?",
      "Was it noise, or was it what the output is made of?",
    },
    wrong = { 28, 35, 21 },
    knobs = { percentile = { "99", choices = { "90", "99", "99.9", "99.99", "100" }, label = "clipped at percentile", at = 1 } },
    compute = function(lab, knob)
      local x, w = twin(lab)
      local y = lab.product(x, w)
      local list, set = large(x)
      local function by(clip)
        local q = lab.quantize(x, { format = "int8", scale = "tensor", clip = clip })
        local c = lab.compare(y, lab.product(q.values, w))
        return { db = c.sqnr_db, off = 100 * c.relative, zeros = 100 * q.zero_fraction * 512 / 506, clipped = 100 * q.clipped_fraction }
      end
      local before, after = by "none", by(knob.percentile == "100" and "none" or "percentile:" .. knob.percentile)
      local only = lab.product(x:with { times = 0 }:replaced(x, list), w)
      return { answer = after.db, before = before, after = after, share = 100 * (only.rms / y.rms) ^ 2, percentile = knob.percentile }
    end,
    reveal = function(o)
      return {
        view.bars { unit = "%", to = 100, bars = {
          { label = "zeros before", value = o.before.zeros }, { label = "zeros now", value = o.after.zeros },
          { label = "output off, before", value = o.before.off, role = "outcome" }, { label = "output off, now", value = o.after.off, role = "outcome" } } },
        o.percentile == "100" and string.format("At 100 nothing is clipped: %s of the ordinary values are 0, and the output stays at %s.", percent(o.before.zeros), db(o.before.db))
          or string.format("%s turned into 0 instead of %s, and the output went from %s to %s.", percent(o.after.zeros), percent(o.before.zeros), db(o.before.db), db(o.after.db))
          .. (o.after.db < o.before.db and string.format(" The six channels carry %s of this output: they are signal, and clipping cut it off.", percent(o.share))
            or " Here so few values are cut that the finer step outweighs them. That is all clipping wins on this tensor."),
        "Weights are another matter: their tails are thin, and cutting them helps at 4 bits. Does any percentile help here?",
        view.quote "Weighing the flour sack as one kilo makes every spice exact, and the bread a cracker.",
      }
    end,
    card = {
      front = "Clip activation outliers before INT8: the zeros go away. And the output?",
      back = "Clipping ruins the output: outlier channels carry most of it. They are signal.",
      again = "Why may the largest weights be clipped, and the largest activations not?",
    },
  },

  predict {
    id = "threshold", title = "To be on the safe side",
    ask = {
      "LLM.int8() keeps every channel in FP16 in which any |x| exceeds a threshold, and rounds the rest to INT8. At 6 it finds exactly the six large channels of 512. 256 tokens of ordinary size 1.",
      "Take 3 instead, to be on the safe side. How many channels stay FP16?",
    },
    number = { unit = "channels", scale = "log", within = "25 %", from = 1, to = 512 },
    hints = {
      "How far from 0 does the largest of 256 ordinary values lie?",
      "0.27 % of ordinary values lie beyond 3, and one in a channel is enough.",
    },
    wrong = { 6, 8, 20 },
    knobs = {
      threshold = { 3, from = 2, to = 8, step = 0.5, label = "threshold", at = 1 },
      tokens = { "256", choices = { "16", "64", "256", "1024" }, label = "tokens", at = 2 },
    },
    compute = function(lab, knob)
      local x, w = twin(lab, tonumber(knob.tokens))
      local function by(threshold)
        return lab.method { method = "llm-int8", w = w, x = x, format = "int8", scale = "channel", activations = { "int8", "token" }, threshold = threshold }
      end
      local now, six, none = by(knob.threshold), by(6), by(1e6)
      local maxima = x:maxima "column"
      return { answer = maxima:count(knob.threshold), kept = now.kept_columns, maxima = maxima, now = now.output_sqnr_db, six = six.output_sqnr_db, none = none.output_sqnr_db,
               found = six.kept_columns, threshold = knob.threshold, tokens = knob.tokens }
    end,
    reveal = function(o)
      local bars = { { label = "none kept", value = o.none }, { label = string.format("%d kept, at 6", o.found), value = o.six, role = o.threshold == 6 and "outcome" or nil } }
      if o.threshold ~= 6 then bars[3] = { label = string.format("%d kept, at %s", o.kept, fmt(o.threshold)), value = o.now, role = "outcome" } end
      return {
        view.hist { o.maxima, from = 0, to = 8, bins = 32, title = "The largest value of each channel", marks = { { at = o.threshold, label = "threshold " .. fmt(o.threshold), role = "outcome" }, { at = 6, label = "LLM.int8() 6", role = "value" } } },
        o.answer > o.found and string.format("%s of 512: the large six, and %s of the ordinary ones. In %s tokens of a bell curve that many channels have a value beyond %s, and one is enough.", fmt(o.answer), fmt(o.answer - o.found), o.tokens, fmt(o.threshold))
          or string.format("%s of 512: the large ones alone. No ordinary value of %s tokens reaches %s.", fmt(o.answer), o.tokens, fmt(o.threshold)),
        view.bars { title = "The layer's output, INT8 otherwise", unit = "dB", bars = bars },
        o.answer > o.found and string.format("The large six give %s. All the others together add %s.", db(o.six - o.none), db(o.now - o.six)) or string.format("They give %s.", db(o.now - o.none)),
        "And 3 keeps more the longer the prompt is: each token is another chance. Try 16 tokens, and 1,024.",
      }
    end,
    takeaway = "A threshold must lie beyond ordinary tails: 6 takes the outlier channels, 3 takes half of all, and more with longer prompts.",
    dives = { "llm-int8-speed" },
  },

  -- saffron ---------------------------------------------------------------------------------------------------------

  part { id = "saffron-part", title = "the saffron", core = true },

  predict {
    id = "saffron", title = "Whose weights matter",
    ask = {
      "The other side. X stays exact; the weights go to INT4 in groups of 128. They are all alike, a bell curve, and all err alike. Six of the 512 columns meet the large channels.",
      "What share of the output's squared error comes from these six columns?",
    },
    number = { unit = "%", scale = "linear", within = "10 points", from = 0, to = 100 },
    hints = {
      "The error of a weight is multiplied by what it meets.",
      "Errors add as squares: six columns times about 42 squared, against 506 times 1.",
    },
    wrong = { 1.2, 30, 50 },
    knobs = {
      format = { "int4", choices = { "int3", "int4", "int8" }, label = "weights", at = 1 },
      largest = { 60, from = 5, to = 60, scale = "log", label = "channels up to, times", at = 2 },
    },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 256, cols = 512, channels = 6, channel_times = { knob.largest / 3, knob.largest } }
      local w = lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
      local q = lab.quantize(w, { format = knob.format, scale = "group:128" })
      local list = large(x)
      local y, yq = lab.product(x, w), lab.product(x, q.values)
      local all = lab.compare(y, yq)
      local six = x:with { times = 0 }:replaced(x, list)
      local part = lab.compare(lab.product(six, w), lab.product(six, q.values))
      local none = w:with { times = 0 }
      local weight = lab.compare(none:replaced(w, list), none:replaced(q.values, list)).noise / q.noise
      local function kept(columns) return lab.compare(y, lab.product(x, q.values:replaced(w, columns))).sqnr_db end
      local heavy = large(w)
      return { answer = 100 * part.noise / all.noise, weight = 100 * weight, db = all.sqnr_db, kept = kept(list), heavy = kept(heavy),
               bits = 6 / 512 * (16 - q.bits_per_weight), format = knob.format:upper() }
    end,
    reveal = function(o)
      return {
        view.bars { title = "The six columns' share", unit = "%", to = 100, bars = { { label = "of the weights' error", value = o.weight }, { label = "of the output's error", value = o.answer, role = "outcome" } } },
        string.format("%s of the weights' error, %s of the output's. %s", percent(o.weight), percent(o.answer),
          o.answer > 50 and "A small error is harmless until it is multiplied. These columns are the saffron: a pinch slightly off, in a dish made many times over." or "What they meet is hardly larger than the rest, so they hardly matter more. Turn the knob up."),
        view.bars { title = "Keep six columns in FP16", unit = "dB", bars = { { label = "none", value = o.db }, { label = "largest inputs", value = o.kept, role = "outcome" }, { label = "largest weights", value = o.heavy } } },
        string.format("Kept exact, they lift the output from %s to %s for %s bits a weight. The six columns with the largest weights %s %s: you cannot tell saffron by its own weight. AWQ starts from here.", db(o.db), db(o.kept), fmt(o.bits), o.heavy - o.db < 0.2 and "leave it at" or "lift it to", db(o.heavy)),
      }
    end,
    card = {
      front = "All weights are rounded alike. Which of them carry the output's error?",
      back = "The weights that meet large input channels carry the error: six columns of 512 have some 95 % of it. Choose them by the inputs, not by the weights.",
      again = "Which weights must stay exact, and how do you find them?",
    },
    links = { "awq" },
  },

  -- planted ---------------------------------------------------------------------------------------------------------

  part { id = "same", title = "same function", core = true },

  predict {
    id = "planted", title = "The same model, broken",
    ask = {
      "A small language model that reads and writes bytes. Six channels of each norm are multiplied by 256, and the weights that read them are divided by 256: in FP32 the same function, letter for letter.",
      "Then INT8 for weights and activations, a scale a row of weights and a scale a token. How many bits does it need now for a byte of text that it never saw? 8 are what knowing nothing costs.",
    },
    given = function(lab)
      local r = lab.quality { tokens = 512, runs = { { weights = INT8, activations = TOKEN } } }
      return { view.bars { title = "Before the planting, held-out text", unit = "bits a byte", from = 0, to = 8, bars = { { label = "FP32", value = r[1].fp32_bits_per_byte }, { label = "INT8", value = r[1].bits_per_byte } } } }
    end,
    number = { unit = "bits", scale = "linear", within = "20 %", from = 0, to = 8 },
    hints = {
      "One step serves a channel of 256 and a channel of 1. What becomes of the 1?",
      "What is left of a token, once all but six of its channels are 0?",
    },
    wrong = { 1.4, 1.6, 8 },
    knobs = {
      times = { 256, from = 1, to = 512, scale = "log", label = "channels, times", at = 1 },
      scale = { "token", choices = { "token", "tensor" }, label = "one scale a", at = 2 },
    },
    compute = function(lab, knob)
      local m = lab.model { outliers = { channels = 6, times = math.max(1.01, knob.times) } }
      local activations = { format = "int8", scale = knob.scale }
      local r = lab.quality { model = m, tokens = 512, runs = { { weights = INT8, activations = activations }, { weights = INT8 },
        { weights = { format = "e4m3", scale = "channel" }, activations = { format = "e4m3", scale = "token" } }, { weights = { format = "int8", scale = "channel", method = "llm-int8" }, activations = TOKEN } } }
      local prompt = "And the king said "
      local function writes(scheme)
        scheme.model, scheme.prompt, scheme.bytes, scheme.temperature = m, prompt, 80, 0.8
        return lab.generate(scheme).text
      end
      return { answer = r[1].bits_per_byte, fp32 = r[1].fp32_bits_per_byte, weights = r[2].bits_per_byte, e4m3 = r[3].bits_per_byte, llm = r[4].bits_per_byte,
               prompt = prompt, good = writes {}, bad = writes { weights = INT8, activations = activations }, times = knob.times, scale = knob.scale }
    end,
    reveal = function(o)
      local function line(text) return (text:gsub("%c", " ")) end
      local broken = o.answer - o.fp32 > 0.1
      return {
        view.bars { unit = "bits a byte", from = 0, to = 8, bars = { { label = "FP32, planted", value = o.fp32 }, { label = "INT8, planted", value = o.answer, role = "outcome" }, { label = "INT8 weights only", value = o.weights },
          { label = "FP8, planted", value = o.e4m3 }, { label = "LLM.int8(), planted", value = o.llm } } },
        broken and string.format("Same function, other grids. FP32 still needs %.2f bits. INT8 gives %s one step, and the sack sets it: beside channels %s times larger the others round to nothing, layer after layer.", o.fp32, o.scale == "token" and "a token" or "all tokens", fmt(o.times))
          or string.format("At %s times INT8 still bears it: %.2f bits, and FP32 needs %.2f. Its 127 steps reach from the large channels down to the others. Turn the knob up.", fmt(o.times), o.answer, o.fp32),
        view.table { caption = "Both go on after: " .. line(o.prompt), columns = { "format", "goes on with" }, rows = { { "FP32", line(o.good) }, { "INT8", line(o.bad) } } },
        broken and string.format("The weights alone hardly suffer (%.2f bits). FP8 does not notice (%.2f), and LLM.int8() splits the six channels off (%.2f). Real outliers were trained, not planted, but this is what they do.", o.weights, o.e4m3, o.llm)
          or string.format("Weights alone (%.2f), FP8 (%.2f) and LLM.int8() (%.2f) have nothing to repair yet.", o.weights, o.e4m3, o.llm),
      }
    end,
    takeaway = "Size moved from weights into a norm changes nothing in FP32 and can ruin INT8: a scale sees sizes, not functions.",
    dives = { "why-channels" }, links = { "quality" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague says: \"Outliers? We cut activations at the 99th percentile, and then one INT8 scale does.\" What do you answer?",
    model = "The outliers fill a few channels at every token and carry most of the output, so clipping destroys signal. A scale that reaches them turns most other values into 0, and a scale a token does not help, since every token has them. Split those channels off as LLM.int8() does, move their size into the weights, or use E4M3, whose steps follow the values. And keep the weights that meet them exact.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "fp8-ends-it", title = "Does FP8 end the outlier problem?",
    "Nearly. Each value brings its own step, so a large one costs its neighbors nothing until it is some 10,000 times their size; then they fall into the subnormals. What remains is the mantissa: three bits, about 31 dB, whatever you do.",
    compute = function(lab)
      local t, rows = lab.gaussian { n = 2 ^ 18 }, {}
      for i, size in ipairs { 10, 1000, 10000, 100000, 1000000 } do
        local q = lab.quantize(t:with { cols = 1000, value = size }, { format = "e4m3", scale = "tensor" })
        local clean, values = t:with { cols = 1000, value = 0 }, q.values:with { cols = 1000, value = 0 }
        rows[i] = { fmt(size), db(lab.compare(clean, values).sqnr_db), percent(100 * q.zero_fraction) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "E4M3, one scale, one value grown", columns = { "its size, times", "all the others", "zeros" }, rows = o.rows } } end,
  },

  dive {
    id = "int8-or-fp8", title = "Is INT8 less accurate than FP8?",
    "Not by nature. On values without outliers INT8's 255 even steps beat the three mantissa bits of E4M3 by about 7 dB. One large value under the same scale turns it round. So weights like INT8, and activations like FP8.",
    compute = function(lab)
      local function both(t) return { lab.quantize(t, { format = "int8", scale = "token" }).sqnr_db, lab.quantize(t, { format = "e4m3", scale = "token" }).sqnr_db } end
      local rows = {}
      for i, t in ipairs { { "Gaussian", lab.gaussian { rows = 256, cols = 512 } }, { "MiniLM weights", lab.tensor "minilm/ffn_weight" }, { "MiniLM activations", lab.tensor "minilm/ffn_in" }, { "after GELU", lab.tensor "minilm/ffn_out_in" } } do
        local r = both(t[2])
        rows[i] = { t[1], db(r[1]), db(r[2]) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "A scale a row, computed now", columns = { "tensor", "INT8", "E4M3" }, rows = o.rows } } end,
  },

  dive {
    id = "llm-int8-speed", title = "Is LLM.int8() faster than FP16?",
    "Not for small models: its paper finds it slower below 6.7 billion parameters. Picking out columns and two products cost more than INT8 saves there. What it saves is memory: BLOOM-176B runs on 3 A100 instead of 8, at about the same time for a token (247 against 239 ms). (arXiv:2208.07339, cited.)",
    "Since then weight-only INT4 and W8A8 kernels have taken its place where speed counts.",
  },

  dive {
    id = "weight-outliers", title = "Do weights have outliers too?",
    "Fewer and smaller ones, in most layers. What hurts more often is the opposite: a row or column so small that it falls below the step of its scale and becomes 0.",
    compute = function(lab)
      local rows = {}
      for i, name in ipairs { "minilm/ffn_in", "minilm/ffn_weight", "minilm/ffn_out_in", "minilm/ffn_out_weight" } do
        local t = lab.tensor(name)
        local q = lab.quantize(t, { format = "int4", scale = "channel" })
        rows[i] = { name, fmt(t.amax / t.rms), percent(100 * q.zero_fraction) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "MiniLM, measured now", columns = { "tensor", "largest / rms", "zeros in INT4, a scale a row" }, rows = o.rows } } end,
  },

  dive {
    id = "massive", title = "What are massive activations?",
    "Single values, in one or two channels and only at the first token or a delimiter, up to 100,000 times larger than the rest (arXiv:2402.17762). They hardly depend on the text: the model uses them as a constant. Removing them breaks it. Since they live in few tokens, a scale a token contains them.",
    compute = function(lab)
      local x = lab.gaussian { rows = 256, cols = 512 }:with { rows = 1, cols = 100, value = 1000 }:with { rows = 1, cols = 300, value = -1000 }
      local one, each = lab.quantize(x, { format = "int8", scale = "tensor" }), lab.quantize(x, { format = "int8", scale = "token" })
      return { one = 100 * one.zero_fraction, each = 100 * each.zero_fraction }
    end,
    reveal = function(o) return { string.format("Tried just now, two values of 1,000 at the first of 256 tokens, INT8: one scale turns %s of all values into 0, a scale a token %s.", percent(o.one), percent(o.each)) } end,
  },

  dive {
    id = "why-channels", title = "Why do models grow outlier channels at all?",
    "Nobody knows for certain. What is measured: they appear in training and grow with size, all layers share the same few channels, and the change is sharp near 6.7 billion parameters in the OPT family (LLM.int8()). A common explanation is attention that wants to do nothing: a head must put its weight somewhere, and large constants give it a place.",
    "The gain of a norm can hold them: a large gain makes a channel large for every token, and the next weights can undo it. In exact arithmetic nothing changes. Under a shared scale everything does.",
    compute = function(lab)
      local x, w = lab.gaussian { rows = 256, cols = 512 }, lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
      local list = { 11, 77, 150, 260, 333, 480 }
      local bx, bw = x:replaced(x:with { times = 60 }, list), w:replaced(w:with { times = 1 / 60 }, list)
      local y = lab.product(x, w)
      local function int8(a, b) return lab.linear { x = a, w = b, weights = { format = "int8", scale = "channel" }, activations = { format = "int8", scale = "token" } }.output_sqnr_db end
      return { same = lab.compare(y, lab.product(bx, bw)).sqnr_db, before = int8(x, w), after = int8(bx, bw) }
    end,
    reveal = function(o)
      return { string.format("Tried just now: six channels made 60 times larger and the weights that meet them 60 times smaller. The exact output agrees to %s; in INT8 it falls from %s to %s.", string.format("%.0f dB", o.same), db(o.before), db(o.after)) }
    end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "smoothquant", title = "Move the difficulty",
    "Divide a large activation channel by s, multiply its weights by s.",
    "The product stays the same; both sides become easier to round.",
    "How much of the range moves is set by alpha.",
    "The division is folded into the norm before the layer." },
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
