-- One scale for how many numbers: who may share a scale, what that costs in bits, and who pays for a bad choice.
-- Every figure is computed from seeded tensors or from MiniLM's; bits are counted from the codes and scales stored.

local function exact(x) return string.format("%.7g", x) end
local function percent(x) return fmt(x) .. " %" end
local function db(x) return string.format("%.1f dB", x) end
local function bits(x) return string.format("%.4g bits", x) end

local LAWS = { "Gaussian", "Laplace", "outliers" }

-- `rows` x `cols` values of a law.
local function values_of(lab, law, rows, cols)
  if law == "Laplace" then return lab.laplace { rows = rows, cols = cols } end
  return lab.gaussian { rows = rows, cols = cols, outliers = law == "outliers" and 0.001 or 0, times = 60 }
end

-- The ids of `list`, best figure first.
local function ranked(list)
  table.sort(list, function(a, b) return a.db > b.db end)
  local ids = {}
  for i, r in ipairs(list) do ids[i] = r.id end
  return ids
end

return lesson {
  id = "scales", title = "One scale for how many numbers?", course_part = "A", minutes = 14, needs = { "grids" },
  win = "choose who shares a scale, and say what that costs in bits and in error",
  sources = {
    "arXiv:2211.10438 SmoothQuant; arXiv:2402.02750 KIVI",
    "ggml-common.h of llama.cpp (block structures)",
    "OCP Microscaling Formats (MX) specification 1.0",
    "AutoAWQ and GPTQ source code (zero-point rules)",
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) for the real tensors",
  },

  -- who needs groups ------------------------------------------------------------------------------------------------

  part { id = "who", title = "who needs groups", core = true },

  read {
    id = "setting", title = "A code times a scale",
    "An integer code means code times scale. One scale is stored for many numbers, and the largest of them sets it: it must be reached. So one large value coarsens the steps of all that share the scale.",
    view.formula { title = "INT8, largest value 254", terms = { { label = "largest value", value = 254, op = "=" }, { label = "codes up to", value = 127, op = "/" } }, result = "scale, which is one step" },
    "SQNR compares the size of the signal with the size of its error, in decibels (dB): 6 dB more means half the error, 20 dB more a tenth.",
    view.quote "One kitchen scale for the whole recipe must carry the flour sack.",
  },

  predict {
    id = "float", title = "INT8 gains 5 dB. And FP8?",
    ask = {
      "A million Gaussian values in INT8. With one scale for each 128 values instead of one for all, the error shrinks by about 5 dB.",
      "How many dB does FP8 E4M3 gain from the same 128 groups?",
    },
    number = { unit = "dB", scale = "linear", within = "0.5 points", from = 0, to = 10 },
    hints = {
      "What is a float's step a share of: of its own value, or of the largest?",
      "Double every value of a group. Which bits of the codes change?",
    },
    wrong = { 5, 2, 3 },
    knobs = {
      group = { "128", choices = { "16", "32", "128", "1024" }, label = "values a scale", at = 1 },
      times = { 1, from = 1, to = 100, scale = "log", label = "one in 1,000, times", at = 2 },
    },
    compute = function(lab, knob)
      local function gains(times)
        local x = lab.gaussian { rows = 1024, cols = 1024, outliers = times > 1 and 0.001 or 0, times = times }
        local made = {}
        for i, format in ipairs { "int8", "e4m3" } do
          local one, many = lab.quantize(x, { format = format, scale = "tensor" }), lab.quantize(x, { format = format, scale = "group:" .. knob.group })
          made[format] = { one = one.sqnr_db, many = many.sqnr_db, gain = many.sqnr_db - one.sqnr_db,
            ordinary = 10 * math.log(one.noise * one.error_share(6) / (many.noise * many.error_share(6)), 10) }
        end
        return made
      end
      local now, sixty = gains(knob.times), gains(60)
      return { answer = now.e4m3.gain, now = now, sixty = sixty, group = knob.group, times = knob.times }
    end,
    reveal = function(o)
      local int, float = o.now.int8, o.now.e4m3
      return {
        view.bars { title = "Signal over error", unit = "dB", bars = {
          { label = "INT8, one scale", value = int.one }, { label = "INT8, groups of " .. o.group, value = int.many },
          { label = "E4M3, one scale", value = float.one }, { label = "E4M3, groups of " .. o.group, value = float.many, role = "outcome" } } },
        string.format("INT8 gains %s, E4M3 %s. A float's step already follows its value: eight steps for each doubling, wherever it lies. Another scale mostly shifts the exponent.", db(int.gain), string.format("%.2f dB", float.gain)),
        string.format("With one value in 1,000 60 times larger INT8 gains %s and E4M3 %s. But look whose error fell: the ordinary values of E4M3 gained only %s of that. The outliers got exact, since each became the largest of its group, and the largest is always a code.",
          db(o.sixty.int8.gain), db(o.sixty.e4m3.gain), string.format("%.2f dB", o.sixty.e4m3.ordinary)),
      }
    end,
    card = {
      front = "Who needs a scale for each group of 128, INT8 or FP8, and why?",
      back = "INT8 needs a scale for each group. Its step is a share of the group's largest value; a float's step is a share of the value itself, so E4M3 gains next to nothing.",
      again = "Why does a finer scale hardly help FP8 E4M3?",
    },
    dives = { "fp8-blocks" },
  },

  -- direction -------------------------------------------------------------------------------------------------------

  part { id = "direction-part", title = "which direction", core = true },

  predict {
    id = "direction", title = "Which way to cut",
    ask = {
      "Activations: 256 tokens (rows) by 4,096 features (columns). Six features are 20 times larger than the rest, at every token. INT8. Which choice of scales leaves least error?",
    },
    order = { first = "least error first",
      { "tensor", "one scale" }, { "token", "256, one a token" },
      { "feature", "4,096, one a feature" }, { "group", "8,192, one per 128 of a token" } },
    hints = {
      "A scale helps where it parts large numbers from small ones.",
      "Which tokens have no large feature? Which groups of 128 have none?",
    },
    wrong = { { "group", "feature", "token", "tensor" }, { "feature", "token", "group", "tensor" } },
    knobs = {
      large = { "six features", choices = { "six features", "two tokens" }, label = "large are", at = 1 },
      format = { "int8", choices = { "int8", "int4", "e4m3" }, label = "format", at = 2 },
    },
    compute = function(lab, knob)
      local features = knob.large == "six features"
      local x = lab.gaussian { rows = 256, cols = 4096, channels = features and 6 or 0, channel_times = { 20, 20 } }
      if not features then x = x:with { rows = 40, times = 20 }:with { rows = 160, times = 20 } end
      local function four(t)
        local turned = t:transposed()
        local made = {}
        for i, c in ipairs { { "tensor", "one scale" }, { "token", "one a token" }, { "feature", "one a feature" }, { "group", "groups of 128" } } do
          local scale = c[1] == "feature" and "channel" or c[1] == "group" and "group:128" or c[1]
          local q = lab.quantize(c[1] == "feature" and turned or t, { format = knob.format, scale = scale })
          local back = c[1] == "feature" and q.values:transposed() or q.values
          made[i] = { id = c[1], label = c[2], db = q.sqnr_db, error = t:minus(back) }
        end
        return made
      end
      local made, real = four(x), four(lab.tensor "minilm/ffn_in")
      local list = { table.unpack(made) }
      return { answer = ranked(list), made = made, real = real, features = features, format = knob.format }
    end,
    reveal = function(o)
      local maps, bars = {}, {}
      for i, m in ipairs(o.made) do
        maps[i] = { m.error, label = m.label, note = db(m.db) }
        bars[i] = { label = m.label, value = o.real[i].db }
      end
      local at = {}
      for _, m in ipairs(o.made) do at[m.id] = m.db end
      return {
        view.maps { title = "Error, token by feature", measure = "|error|", maps = maps },
        o.features and string.format("Each token contains all six large features, so a scale a token still serves large and small alike: %s. A scale a feature has either large or small numbers: %s, with half the scales of the groups, which reach %s.",
            db(at.token), db(at.feature), db(at.group))
          or string.format("Now two tokens are large, and the order turns: a scale a token reaches %s, a scale a feature %s. Each feature contains both large tokens.", db(at.token), db(at.feature)),
        o.format == "e4m3" and string.format("In E4M3 all four lie within %s: whoever brings his own step cares little about direction.", db(math.max(at.tensor, at.token, at.feature, at.group) - math.min(at.tensor, at.token, at.feature, at.group)))
          or "More scales is not the point; the point is whom a scale parts from whom.",
        view.bars { title = "MiniLM: what enters a feed-forward layer, " .. o.format:upper(), unit = "dB", bars = bars },
        "One catch: a product sums over features, so a scale a feature cannot be multiplied in afterwards. How to get its effect all the same is the subject of a later lesson.",
        view.quote "One scale per recipe: each recipe has its flour sack. One scale per ingredient: saffron is weighed with saffron.",
      }
    end,
    card = {
      front = "Six features are large at every token. Why does a scale a token not help, and what would?",
      back = "Every token contains the six, so each scale still serves large and small. A scale a feature parts them.",
      again = "Twice as many scales, 7 dB worse. How can that be?",
    },
    dives = { "feature-scales", "static-dynamic" }, links = { "smoothquant" },
  },

  -- price -----------------------------------------------------------------------------------------------------------

  part { id = "cost", title = "what scales cost", core = true },

  predict {
    id = "price", title = "Two bits, they say",
    ask = "INT2 in groups of 16 values. Each group stores a 16-bit scale and a 16-bit minimum. How many bits does a value take?",
    number = { unit = "bits", scale = "linear", within = "3 %", from = 1, to = 8 },
    hints = { "How many bits are the codes of one group?", "And how many the rest?" },
    wrong = { 2, 2.1, 3 },
    knobs = {
      format = { "int2", choices = { "int2", "int3", "int4" }, label = "codes", at = 1 },
      group = { "16", choices = { "16", "32", "64", "128" }, label = "group", at = 2 },
      extra = { "scale and minimum", choices = { "scale", "scale and minimum" }, label = "stores", at = 3 },
    },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 64, cols = 4096 }
      local n = tonumber(knob.group)
      local q = lab.quantize(x, { format = knob.format, scale = "group:" .. n, zero_point = knob.extra == "scale" and "none" or "kivi" })
      local width = lab.format(knob.format).bits
      local function of(format, scale, zero) return lab.quantize(x, { format = format, scale = scale, zero_point = zero }).bits_per_weight end
      return { answer = q.bits_per_weight, codes = width * n, rest = (q.bits_per_weight - width) * n, n = n, extra = knob.extra, width = width, db = q.sqnr_db,
               list = { { "INT4, group of 128, scale", of("int4", "group:128") }, { "INT4, group of 128, scale, 4-bit zero", of("int4", "group:128", "awq") },
                        { "MXFP4", of("mxfp4") }, { "NVFP4", of("nvfp4") }, { "Q4_0", of("q4_0") } } }
    end,
    reveal = function(o)
      local parts, rows = { { label = "codes", value = o.codes } }, {}
      if o.extra == "scale" then parts[2] = { label = "scale", value = o.rest, role = "outcome" }
      else parts[2], parts[3] = { label = "scale", value = o.rest / 2, role = "outcome" }, { label = "minimum", value = o.rest / 2, role = "limit" } end
      for i, r in ipairs(o.list) do rows[i] = { r[1], string.format("%.4g", r[2]), "counted here" } end
      rows[#rows + 1] = { "Q2_K", string.format("%.4g", 84 * 8 / 256), "84 bytes for 256, ggml-common.h" }
      return {
        view.stack { title = "One group of " .. o.n, unit = "bits", capacity = o.codes + o.rest, rows = { { label = "a group", parts = parts } } },
        string.format("%s bits of codes carry %s bits of overhead: %s a value. The name on the file counts the codes alone.", fmt(o.codes), fmt(o.rest), bits(o.answer)),
        view.table { columns = { "format", "bits a weight", "from" }, rows = rows },
        view.note { title = "Kubernetes", text = "A scale is a sidecar. With pods this small the sidecar asks for as much as the app." },
      }
    end,
    takeaway = "Scales cost bits: INT2 in groups of 16 with scale and minimum takes 4 bits a value, INT4 in groups of 128 takes 4.125.",
    dives = { "file-bits", "gguf-awq-gptq" },
  },

  predict {
    id = "four-bits", title = "Three files of the same size",
    ask = {
      "Weights with outliers: one value in 1,000 is 60 times larger. Three files of 4 bits a weight in all; a scale or a minimum takes 16 of them. Which keeps most of the signal?",
    },
    order = { first = "least error first",
      { "int4", "INT4, a scale per 4,096" }, { "int3", "INT3, a scale per 16" }, { "int2", "INT2, scale, minimum per 16" } },
    hints = {
      "Who shares an outlier's step? 4,095 others, or 15?",
      "How wide is that step, if the outlier is 60 times larger and INT4 has 7 steps on each side?",
    },
    wrong = { { "int4", "int3", "int2" }, { "int2", "int3", "int4" }, { "int3", "int4", "int2" } },
    knobs = { times = { 60, from = 1, to = 100, scale = "log", label = "outlier, times", at = 1 } },
    compute = function(lab, knob)
      local function three(times)
        local x = lab.gaussian { rows = 256, cols = 4096, outliers = times > 1 and 0.001 or 0, times = times }
        local made = {}
        for i, c in ipairs { { "int4", "channel", "none", "INT4, a row" }, { "int3", "group:16", "none", "INT3, per 16" }, { "int2", "group:16", "kivi", "INT2, per 16" } } do
          local q = lab.quantize(x, { format = c[1], scale = c[2], zero_point = c[3] })
          made[i] = { id = c[1], label = c[4], db = q.sqnr_db, bits = q.bits_per_weight, zeros = 100 * q.zero_fraction }
        end
        return made
      end
      local made, plain = three(knob.times), three(1)
      local zeros = made[1].zeros
      local list = { table.unpack(made) }
      return { answer = ranked(list), made = made, plain = plain, zeros = zeros, times = knob.times }
    end,
    reveal = function(o)
      local function bars(title, list)
        local b = {}
        for i, m in ipairs(list) do b[i] = { label = m.label, value = m.db, note = bits(m.bits), role = title == "With outliers" and "outcome" or nil } end
        return view.bars { title = title, unit = "dB", bars = b }
      end
      return {
        bars("With outliers", o.made),
        string.format("An outlier costs its sharers their codes. In a row of 4,096 nearly every row has some, and %s of INT4's values become 0. In groups of 16 only 15 neighbors pay.", percent(o.zeros)),
        bars("Without", o.plain),
        "Without outliers the order follows the code bits. So the same bit is worth a lot as a scale in one tensor, and as a code in another.",
      }
    end,
    takeaway = "At equal size: with outliers spend bits on scales, without them on codes.",
  },

  predict {
    id = "knee", title = "Why 128?",
    ask = {
      "INT4 on Gaussian weights, 16-bit scales. Each halving of the group buys decibels and costs bits. So does one more code bit, about 6 dB for one bit.",
      "Down to which group size is halving the better buy?",
    },
    number = { unit = "values", scale = "log", within = "1.4 x", from = 8, to = 4096 },
    hints = {
      "From 4,096 to 2,048 costs 16/4096 = 0.004 bits a weight. From 32 to 16 costs half a bit.",
      "Each halving buys about the same, between half a dB and a whole one, and costs twice as much as the last.",
    },
    wrong = { 16, 32, 1024 },
    knobs = { law = { "Gaussian", choices = LAWS, label = "weights", at = 1 } },
    compute = function(lab, knob)
      local x = values_of(lab, knob.law, 256, 4096)
      local function at(format, g) return lab.quantize(x, { format = format, scale = "group:" .. g }) end
      local sizes, last, xs, ys, rows, best = { 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8 }, nil, {}, {}, {}, 4096
      local code = (at("int8", 128).sqnr_db - at("int4", 128).sqnr_db) / 4
      local still = true
      for i, g in ipairs(sizes) do
        lab.progress(i / #sizes, "groups of " .. g)
        local q = at("int4", g)
        if last then
          local slope = (q.sqnr_db - last.db) / (q.bits_per_weight - last.bits)
          xs[#xs + 1], ys[#ys + 1] = g, math.max(slope, 0.1)
          rows[#rows + 1] = { sizes[i - 1] .. " to " .. g, string.format("%.2f", q.sqnr_db - last.db), string.format("%.3f", q.bits_per_weight - last.bits), fmt(slope) }
          if still and slope > code then best = g else still = false end
        end
        last = { db = q.sqnr_db, bits = q.bits_per_weight }
      end
      return { answer = best, x = xs, y = ys, code = code, rows = rows, law = knob.law }
    end,
    reveal = function(o, guess)
      return {
        view.plot { x = { label = "halved down to", scale = "log", from = 8, to = 2048 }, y = { label = "dB for one bit", scale = "log", from = 1, to = 200 },
          series = { { label = "halving", x = o.x, y = o.y, role = "outcome" } },
          refs = { { y = o.code, label = "a code bit " .. fmt(o.code) } }, guess = guess and type(guess.value) == "number" and guess.value >= 8 and guess.value <= 2048 and { x = guess.value, label = "you" } or nil },
        string.format("A halving costs twice as much as the last and buys little more, so its price climbs past that of a code bit (%s dB, measured from INT4 to INT8 on the same values). %s is the last group that is worth it.", fmt(o.code), fmt(o.answer)),
        view.table { columns = { "halving", "dB", "bits", "dB a bit" }, rows = o.rows },
        "That is where the usual 128 comes from. Heavier tails move it down: turn the knob. Cheaper scales would too.",
      }
    end,
    card = {
      front = "Why are INT4 weights stored in groups of 128?",
      back = "Down to 128 a halving buys more dB a bit than a finer code; below it 16-bit scales cost more than they bring. Outliers or cheaper scales move the point down.",
      again = "What would make groups of 16 a better buy than groups of 128?",
    },
    dives = { "power-of-two", "symmetric" },
  },

  -- clipping --------------------------------------------------------------------------------------------------------

  part { id = "clipping", title = "clipping", core = true },

  predict {
    id = "clip", title = "Cut the largest on purpose",
    ask = {
      "INT4, Gaussian weights, one scale for each row of 4,096. Suppose values beyond a limit are clamped to it, and the scale reaches only that limit.",
      "Which limit, in % of the row's largest value, gives the least squared error?",
    },
    place = { from = 30, to = 100, unit = "%", tick = 1, within = "8 points" },
    hints = {
      "How many of 4,096 values lie near the largest?",
      "A limit of half makes every step half as wide. Who is clamped then?",
    },
    wrong = { 100, 99, 90 },
    knobs = {
      format = { "int4", choices = { "int2", "int3", "int4", "int8" }, label = "codes", at = 1 },
      law = { "Gaussian", choices = LAWS, label = "weights", at = 2 },
    },
    compute = function(lab, knob)
      local t = values_of(lab, knob.law, 64, 4096)
      local xs, round, cut, sum, best = {}, {}, {}, {}, 1
      for i = 0, 35 do
        local share = 1 - 0.02 * i
        lab.progress(i / 36, "a limit of " .. math.floor(100 * share + 0.5) .. " %")
        local clipped = t:clipped { share = share }
        local q = lab.quantize(clipped, { format = knob.format, scale = "channel" })
        local k = 36 - i
        xs[k], round[k], cut[k] = 100 * share, lab.compare(clipped, q.values).noise, lab.compare(t, clipped).noise
        sum[k] = lab.compare(t, q.values).noise
      end
      for k = 1, 36 do if sum[k] < sum[best] then best = k end end
      local signal = t.n * t.rms ^ 2
      local function share(list) local out = {} for k = 1, 36 do out[k] = 100 * list[k] / signal end return out end
      return { answer = xs[best], x = xs, round = share(round), cut = share(cut), sum = share(sum), format = knob.format, law = knob.law,
               before = 10 * math.log(signal / sum[36], 10), after = 10 * math.log(signal / sum[best], 10),
               groups = lab.quantize(values_of(lab, knob.law, 2 ^ 11, 128), { format = knob.format, scale = "channel" }).sqnr_db }
    end,
    reveal = function(o, guess)
      return {
        view.plot { x = { label = "limit, % of the largest", from = 30, to = 100 }, y = { label = "error, % of signal", from = 0, to = 2 * o.sum[36] },
          series = { { label = "both", x = o.x, y = o.sum, role = "outcome" }, { label = "rounding", x = o.x, y = o.round }, { label = "clamping", x = o.x, y = o.cut } },
          guess = guess and type(guess.value) == "number" and { x = guess.value, label = "you" } or nil },
        o.after - o.before > 0.2
          and string.format("Rounding error falls with the limit, clamping error rises, and the sum is least at %s: %s instead of %s. Few values lie near the largest, and everybody pays for their seat.", percent(o.answer), db(o.after), db(o.before))
          or string.format("Here clipping gains %s: the largest values carry too much of the signal to be cut.", db(o.after - o.before)),
        string.format("Unclipped groups of 128 reach %s on such values. Clip tails, group outliers: with outliers the other cure works.", db(o.groups)),
      }
    end,
    card = {
      front = "INT4, one scale a row: where should the scale end, at the largest value?",
      back = "An INT4 scale should not end at the largest value but, for Gaussian weights, at about two thirds of it: finer steps for nearly all outweigh the clamped few. With true outliers clipping gains nothing; groups do.",
      again = "Clip or group: which cure for long tails, which for outliers?",
    },
  },

  -- zero-points -----------------------------------------------------------------------------------------------------

  part { id = "zeros", title = "zero-points", core = true },

  predict {
    id = "zero", title = "A code for zero",
    ask = {
      "Asymmetric INT4: codes 0 to 15, scale = (largest - smallest) / 15, and an integer zero-point, the code that stands for 0. The zero-point itself is kept in 4 bits, so it is clamped to 0 to 15.",
      "All values of a channel lie between 9 and 15. What does 12 come back as?",
    },
    number = { scale = "linear", within = "5 %", from = 0, to = 16 },
    hints = {
      "The scale is 6/15 = 0.4. Which code would stand for 0, if any could?",
      "That code is clamped. What do codes 0 and 15 mean then?",
    },
    wrong = { 12, 11.8, 12.2, 9 },
    knobs = {
      from = { 9, from = -6, to = 20, step = 1, label = "values from", at = 1 },
      rule = { "awq", choices = { "awq", "gptq", "kivi", "symmetric" }, label = "rule", at = 2 },
      format = { "int4", choices = { "int4", "int8" }, label = "codes", at = 3 },
    },
    compute = function(lab, knob)
      local middle = knob.from + 3
      local x = lab.uniform { n = 4096, from = knob.from, to = knob.from + 6 }:with { cols = 1, value = middle }
      local function by(rule)
        return lab.quantize(x, { format = knob.format, scale = "channel", zero_point = rule == "symmetric" and "none" or rule })
      end
      local q = by(knob.rule)
      local seen, marks = {}, {}
      for i = 1, 4096 do
        local v = q:at(1, i)
        if not seen[v] and #marks < 300 then seen[v] = true marks[#marks + 1] = v end
      end
      if #marks == 1 and knob.format == "int4" then -- every value hit the same code: show where the others are
        marks = {}
        for code = 0, 15 do marks[code + 1] = code * q.scale end
      end
      table.sort(marks)
      local rows = {}
      for i, r in ipairs { { "awq", "zero-point clamped" }, { "gptq", "range widened to 0" }, { "kivi", "minimum stored" }, { "symmetric", "symmetric" } } do
        local rq = by(r[1])
        rows[i] = { r[2], fmt(rq:at(1, 1)), db(rq.sqnr_db), string.format("%.4g", rq.bits_per_weight) }
      end
      return { answer = q:at(1, 1), marks = marks, rows = rows, from = knob.from, x = middle, rule = knob.rule, scale = q.scale, format = knob.format }
    end,
    reveal = function(o)
      local low, high = math.min(o.from, o.marks[1], 0) - 1, math.max(o.from + 6, o.marks[#o.marks]) + 1
      return {
        view.grid { from = low, to = high, values = o.marks,
          marks = { { at = o.from, label = "values from", role = "value" }, { at = o.x, label = fmt(o.x), role = "value" }, { at = o.answer, label = fmt(o.answer), role = "outcome" } } },
        o.rule == "awq" and o.from > 0
          and string.format("Zero would need the code %d. It is clamped to 0, so code 15 means 15 times %s = %s, and everything above comes back as that. Eight bits do not help: the marks end at the width of the range, not at its end.", math.floor(-o.from / o.scale + 0.5), fmt(o.scale), fmt(15 * o.scale))
          or string.format("By this rule %s comes back as %s.", fmt(o.x), fmt(o.answer)),
        view.table { columns = { "rule", fmt(o.x) .. " becomes", "SQNR", "bits a value" }, rows = o.rows },
        "AWQ's code clamps, GPTQ's first widens the range until it contains 0, KIVI stores the smallest value and needs no zero-point. Keys in a KV cache have channels like this one.",
      }
    end,
    takeaway = "A clamped zero-point fails where the range excludes 0. Widen the range to 0, or store the minimum.",
    links = { "kv-quant" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague says: \"Let us use groups of 32 everywhere, smaller is better.\" Answer in a few sentences.",
    model = "For floating point there is hardly anything to gain: its steps follow the values. For INT4 with 16-bit scales a finer code is the cheaper decibel below 128, unless outliers rule. Clip long tails first, which costs nothing. And look at the direction: 8,192 scales along tokens can lose to 4,096 along features, because a scale helps only where it parts large numbers from small ones.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "feature-scales", title = "Why does W8A8 not use a scale for each feature of the activations?",
    "Because the feature is the index that the product sums over. With one scale a token and one an output channel, integer products are summed first and scaled once afterwards. A scale a feature would have to be multiplied into every product, before the sum, and integer units cannot do that.",
    "What is done instead: the feature's scale is folded into the weights, ahead of time. That is SmoothQuant.",
    compute = function(lab)
      local x = lab.gaussian { rows = 256, cols = 512, channels = 6, channel_times = { 20, 60 } }
      local w = lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
      local exact_y = lab.product(x, w)
      local function through(t) return lab.compare(exact_y, lab.product(t, w)).sqnr_db end
      local smooth = lab.linear { x = x, w = w, weights = { format = "int8", scale = "channel" }, activations = { format = "int8", scale = "token" }, smooth = 0.5 }
      return { token = through(lab.quantize(x, { format = "int8", scale = "token" }).values),
               feature = through(lab.quantize(x:transposed(), { format = "int8", scale = "channel" }).values:transposed()), smooth = smooth.output_sqnr_db }
    end,
    reveal = function(o)
      return { view.bars { title = "Six of 512 features large, INT8: the layer's output", unit = "dB", bars = {
        { label = "a scale a token", value = o.token }, { label = "a scale a feature", value = o.feature, note = "simulated" }, { label = "SmoothQuant, 0.5", value = o.smooth, note = "weights rounded too" } } } }
    end,
  },

  dive {
    id = "static-dynamic", title = "Static or dynamic activation scales?",
    "Static: measured once on calibration text, free at run time, wrong for whatever the text did not contain. Dynamic: measured on each token or batch, a little slower, never surprised. vLLM's online FP8 is dynamic; static FP8 needs a calibrated checkpoint.",
    compute = function(lab)
      local calibration = lab.gaussian { rows = 256, cols = 512, stream = 2 }
      local x = lab.gaussian { rows = 256, cols = 512 }:with { rows = 100, times = 50 }
      local static = lab.quantize(x:clipped { limit = calibration.amax }, { format = "int8", scale = "tensor" })
      local function rest(values) return lab.compare(x:with { rows = 100, value = 0 }, values:with { rows = 100, value = 0 }).sqnr_db end
      local one, each = lab.quantize(x, { format = "int8", scale = "tensor" }), lab.quantize(x, { format = "int8", scale = "token" })
      return { rows = { { "static", db(lab.compare(x, static.values).sqnr_db), db(rest(static.values)) }, { "dynamic, one scale", db(one.sqnr_db), db(rest(one.values)) },
                        { "dynamic, a scale a token", db(each.sqnr_db), db(rest(each.values)) } } }
    end,
    reveal = function(o)
      return { view.table { caption = "256 tokens, one of them 50 times larger than calibration saw, INT8", columns = { "scale", "all tokens", "the other 255" }, rows = o.rows } }
    end,
  },

  dive {
    id = "fp8-blocks", title = "Do FP8 weights need a scale for each block?",
    "Not for precision: a float's step follows its value. For range, perhaps: what is far smaller than the rest of the tensor falls into E4M3's subnormals and then to 0. Blocks of 128 by 128, as Qwen's and DeepSeek's FP8 files have, cost next to nothing and end that worry.",
    compute = function(lab)
      local x = lab.gaussian { rows = 256, cols = 512 }
      local rows = {}
      for i, times in ipairs { 1, 1e-2, 1e-4, 1e-6 } do
        local t = x:with { rows = { 1, 128 }, times = times }
        local function small(q) return lab.compare(t:take(128), q.values:take(128)).sqnr_db end
        rows[i] = { "1 / " .. fmt(1 / times), db(small(lab.quantize(t, { format = "e4m3", scale = "tensor" }))), db(small(lab.quantize(t, { format = "e4m3", scale = "tile:128x128" }))) }
      end
      return { rows = rows }
    end,
    reveal = function(o)
      return { view.table { caption = "Half of a tensor made smaller: its SQNR in E4M3", columns = { "its size", "one scale", "128 x 128" }, rows = o.rows } }
    end,
  },

  dive {
    id = "symmetric", title = "Symmetric or asymmetric?",
    "Symmetric codes count from 0 and need no zero-point. Data that are centered lose little by it. Data on one side of 0, such as what leaves a GELU or ReLU, leave half of the symmetric codes unused: that is one bit, about 6 dB.",
    compute = function(lab)
      local function gain(t)
        local function at(zero) return lab.quantize(t, { format = "int4", scale = "group:128", zero_point = zero }).sqnr_db end
        return { at "none", at "kivi" }
      end
      return { gauss = gain(lab.gaussian { rows = 256, cols = 1024 }), gelu = gain(lab.tensor "minilm/ffn_out_in") }
    end,
    reveal = function(o)
      return { view.table { caption = "INT4, groups of 128", columns = { "values", "symmetric", "minimum stored" },
        rows = { { "Gaussian", db(o.gauss[1]), db(o.gauss[2]) }, { "MiniLM, after GELU", db(o.gelu[1]), db(o.gelu[2]) } } } }
    end,
  },

  dive {
    id = "file-bits", title = "Why is my 4-bit file larger than 4 bits times the parameters?",
    "The name counts the codes. Scales, minima or zero-points come on top, and so do the tensors that stay in 16 bits: embeddings, the LM head, norms. A GGUF name such as Q4_K_M is a mix of tensor types besides: 4.89 bits a weight on Llama-3.1-8B (llama.cpp tools/quantize/README.md, cited).",
    compute = function(lab)
      local four, all = lab.weights { config = "llama-3.1-8b", format = "int4" }, lab.weights { config = "llama-3.1-8b", format = "bf16" }
      local file = four.linear_bytes + four.kept_bytes + four.head_bytes + four.embedding_bytes
      local params = (all.linear_bytes + all.kept_bytes + all.head_bytes + all.embedding_bytes) / 2
      return { file = file, params = params, codes = params / 2, linear = four.linear_bytes, rest = file - four.linear_bytes }
    end,
    reveal = function(o)
      return { string.format("Counted just now for Llama-3.1-8B, INT4 in groups of 128, embeddings and head in BF16: %.2f GB, where 4 bits times %.2f billion parameters are %.2f GB. That is %s bits a parameter.", o.file / 1e9, o.params / 1e9, o.codes / 1e9, fmt(8 * o.file / o.params)) }
    end,
  },

  dive {
    id = "gguf-awq-gptq", title = "GGUF, AWQ or GPTQ: which is the best format?",
    "They are not three of a kind. GGUF is a file format with block formats of its own (Q4_K and others) and can hold many. GPTQ and AWQ are methods to choose the codes; what they write is plain integers with scales, in groups. So ask two questions: which layout does my server have a fast kernel for, and which method chose the codes.",
    "In one study of Llama-3.1 AWQ was ahead by 0.2 to 0.4 points on academic benchmarks and GPTQ by 0.8 to 2.9 on others (arXiv:2411.02355, cited): less than between tasks.",
  },

  dive {
    id = "power-of-two", title = "What do power-of-two scales cost, as in MX formats?",
    "An E8M0 scale is 8 bits and needs no multiplier: it shifts exponents. But it can miss the wanted scale by a factor of up to 2. If it is too large, codes idle; if it is too small, as the OCP rule's rounding down allows, the largest values of the block are clipped.",
    compute = function(lab)
      local x = lab.gaussian { rows = 256, cols = 1024 }
      local floor = lab.quantize(x, { format = "int4", scale = "block:32", mx = "floor" })
      return { rows = { { "FP16", db(lab.quantize(x, { format = "int4", scale = "group:32" }).sqnr_db), "" },
                        { "E8M0, rounded down", db(floor.sqnr_db), percent(100 * floor.clipped_fraction) },
                        { "E8M0, rounded up", db(lab.quantize(x, { format = "int4", scale = "block:32", mx = "ceil" }).sqnr_db), "" } } }
    end,
    reveal = function(o)
      return { view.table { caption = "INT4, a scale per 32 Gaussian values", columns = { "scale", "SQNR", "clipped" }, rows = o.rows } }
    end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "smoothquant", title = "Move the difficulty",
    "Divide a large activation channel by s, multiply its weights by s.",
    "The product stays the same; both sides become easier to round.",
    "How much of the range moves is set by alpha.",
    "The division is folded into the norm before the layer." },
  link { lesson = "kv-quant", title = "Cheaper memory of the conversation",
    "Keys have outlier channels, values do not.",
    "So keys take a scale a channel, values a scale a token.",
    "\"2 bits\" with their scales are 3 or more.",
    "An fp8 cache is the plain default." },
}
