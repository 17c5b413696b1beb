-- Bits and grids: which values a format has, where they stand, and what landing on one costs.
-- Everything is counted or cast here; only the Gaussian tensors hang on a seed.

local TITLES = {
  fp32 = "FP32", fp16 = "FP16", bf16 = "BF16", e4m3 = "FP8 E4M3", e5m2 = "FP8 E5M2", int8 = "INT8", int4 = "INT4",
  e2m1 = "FP4 E2M1", e4m3fnuz = "E4M3 FNUZ", e5m2fnuz = "E5M2 FNUZ",
}

local function exact(x) return x ~= x and "NaN" or string.format("%.7g", x) end
local function percent(x) return fmt(x) .. " %" end

-- The bits of a row with one of them flipped: `which` counts from the left, from 1.
local function flipped(lab, row, which)
  local old = row.bits:sub(which, which)
  return lab.decode(row.bits:sub(1, which - 1) .. (old == "0" and "1" or "0") .. row.bits:sub(which + 1), row.format)
end

-- A row for view.bits.
local function lanes(row, label, note, role)
  return { label = label or TITLES[row.format], value = exact(row.value), bits = row.bits, lanes = row.lanes, note = note, role = role }
end

return lesson {
  id = "grids", title = "Bits and grids", course_part = "A", minutes = 13,
  win = "say where a value lands in a number format, and what the landing costs",
  sources = {
    "OCP 8-bit Floating Point Specification (OFP8), revision 1.0",
    "arXiv:2209.05433, FP8 Formats for Deep Learning",
    "NVIDIA CUDA math API, FP8 conversion (saturating or not)",
    "ml_dtypes issues 260 and 400 (casts to NaN); sglang issue 35111 (FNUZ)",
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) for the real weights",
  },

  -- marks -----------------------------------------------------------------------------------------------------------

  part { id = "last", title = "the last mark", core = true },

  read {
    id = "setting", title = "A ruler with few marks",
    "A number format is a ruler. Every bit pattern is one mark on it, and a cast moves a value to the nearest mark.",
    "FP8 E4M3 is one byte: 1 bit for the sign, 4 for an exponent e, 3 for a mantissa m. It means (1 + m/8) times 2^(e - 7).",
    view.bits { rows = { { label = "1.75", value = "1.75", bits = "00111110", lanes = { 1, 4, 3 }, note = "e = 7, m = 6" },
                         { label = "3.5", value = "3.5", bits = "01000110", lanes = { 1, 4, 3 }, note = "e = 8, m = 6" },
                         { label = "smallest", value = "0.001953", bits = "00000001", lanes = { 1, 4, 3 }, note = "e = 0, m = 1" } } },
    "At e = 0 the rule changes: m/8 times 2^-6, even steps down to 0. These are the subnormals. You will need no more than this.",
    view.quote "A measuring jug has marks. What you pour stands between two of them, and you write down the nearer.",
  },

  predict {
    id = "top", title = "The last mark",
    ask = "What is the largest finite value of E4M3?",
    number = { scale = "linear", within = "exact", from = 0, to = 512 },
    hints = {
      "Write down the largest exponent and the largest mantissa. What would they mean?",
      "Some code must stand for NaN, the result that is not a number.",
      "How few codes can NaN take, if the format gives up infinity?",
    },
    wrong = { 480, 240, 256 },
    knobs = { byte = { "01111110", label = "one byte", at = 1 } },
    compute = function(lab, knob)
      local top, nan = nil, 0
      for code = 0, 255 do
        local bits = ""
        for i = 7, 0, -1 do bits = bits .. (code >> i & 1) end
        local row = lab.decode(bits, "e4m3")
        if row.value ~= row.value then nan = nan + 1
        elseif not top or row.value > top.value then top = row end
      end
      local byte = {}
      for i, name in ipairs { "e4m3", "e4m3fnuz", "e5m2", "e5m2fnuz", "int8" } do byte[i] = lab.decode(knob.byte, name) end
      return { answer = top.value, top = top, beyond = lab.decode("01111111", "e4m3"), nan = nan, byte = byte, bits = knob.byte }
    end,
    reveal = function(o)
      local rows = { lanes(o.top, "the last mark", nil, "outcome"), lanes(o.beyond, "one code more", nil, "wrong") }
      for i, row in ipairs(o.byte) do rows[i + 2] = lanes(row, "the byte, " .. TITLES[row.format]:gsub("FP8 ", "")) end
      local seven_e = o.bits == "01111110"
      return {
        view.bits { rows = rows, caption = "The byte below is read by five formats. Flip its bits." },
        string.format("By the formula the next code would be %s. It is spent on NaN: %d of the 256 codes, one a sign. FP16 spends its whole top exponent on NaN and infinity; E4M3 gives up infinity and keeps that exponent for values.",
          exact(1.875 * 2 ^ 8), o.nan),
        seven_e and string.format("A byte means nothing without its format. The MI300X reads E4M3 FNUZ, whose exponent counts from 8: the largest value of an H100 is %s there, and every value half.", exact(o.byte[2].value))
          or string.format("As E4M3 this byte is %s, as E5M2 %s, as INT8 %s.", exact(o.byte[1].value), exact(o.byte[3].value), exact(o.byte[5].value)),
        view.note { title = "Kubernetes", text = "One file, two node pools, two readings. On MI300X nodes the loader must double the scales of a file made for H100." },
      }
    end,
    takeaway = "E4M3 ends at 448: the code of 480 is NaN, and there is no infinity.",
    dives = { "gradients", "fnuz" },
  },

  explore {
    id = "lanes", title = "Flip a bit",
    ask = "One value in eight formats, and one flipped bit. Which flips hardly matter, and which change everything?",
    knobs = {
      value = { 1, from = 0.1, to = 6, step = 0.1, label = "value", at = 1 },
      flip = { "top exponent", choices = { "none", "sign", "top exponent", "last exponent", "top mantissa", "last mantissa" }, label = "bit", at = 2 },
    },
    compute = function(lab, knob)
      local rows = {}
      for i, name in ipairs { "fp32", "fp16", "bf16", "e4m3", "e5m2", "int8", "int4", "e2m1" } do
        local row = lab.cast(knob.value, name)
        local s, e, m = row.lanes[1], row.lanes[2], row.lanes[3]
        local places = { sign = s > 0 and 1 or nil, ["top exponent"] = e > 0 and s + 1 or nil, ["last exponent"] = e > 0 and s + e or nil,
                         ["top mantissa"] = m > 0 and s + e + 1 or nil, ["last mantissa"] = m > 0 and s + e + m or nil }
        local place = places[knob.flip]
        local now = place and flipped(lab, row, place)
        rows[i] = { before = row, now = now or row, changed = now ~= nil }
      end
      return { rows = rows, value = knob.value, flip = knob.flip }
    end,
    reveal = function(o)
      local rows = {}
      for i, r in ipairs(o.rows) do rows[i] = lanes(r.now, nil, r.changed and "was " .. exact(r.before.value) or nil, r.changed and "outcome" or nil) end
      local bf16, e4m3 = o.rows[3], o.rows[4]
      return {
        view.bits { rows = rows },
        o.flip == "none" and string.format("%s as each format keeps it. FP32 and BF16 share their exponent: BF16 is the upper half of an FP32 number, and E5M2 the upper half of an FP16 one.", exact(o.value))
          or string.format("With its %s flipped, %s becomes %s in BF16 and %s in E4M3. An exponent bit multiplies by a power of two; a mantissa bit moves the value within its doubling; an integer's bits each add or take a fixed amount.",
            o.flip == "sign" and "sign" or o.flip .. " bit", exact(o.value), exact(bf16.now.value), exact(e4m3.now.value)),
      }
    end,
  },

  part { id = "where", title = "where the marks stand", core = true },

  predict {
    id = "codes", title = "Where the marks stand",
    ask = "E4M3 has 127 values from 0 to 448. How many of them lie from 0 to 1, both ends counted?",
    number = { scale = "linear", within = "15 %", from = 0, to = 127 },
    hints = {
      "How many marks are there from 1 up to 2? From 2 up to 4?",
      "Count doublings, not distance: from 2^-6 up to 1 there are six.",
      "Below 2^-6 there are 8 codes more, and 1 itself is a mark.",
    },
    wrong = { 1, 8, 0, 28 },
    knobs = {
      upto = { 1, from = 0.01, to = 448, scale = "log", label = "from 0 to", at = 1 },
      format = { "e4m3", choices = { "e4m3", "e5m2", "fp16", "bf16" }, label = "format", at = 2 },
    },
    compute = function(lab, knob)
      local f = lab.format(knob.format)
      local weights = lab.tensor "minilm/ffn_weight"
      local q = lab.quantize(weights, { format = "e4m3", scale = "tensor" })
      local small = f.bits == 8
      return { answer = f.count(0, knob.upto), all = f.count(0), upto = knob.upto, format = knob.format, max = f.max,
               values = small and f.values(0, f.max) or nil, below = f.count(0, 2), above = f.count(f.max / 2), smallest = f.smallest,
               real = 100 * (1 - weights:count(2 * q.scale) / weights.n) }
    end,
    reveal = function(o)
      local blocks = {}
      local function add(block) blocks[#blocks + 1] = block end
      if o.values then
        add(view.grid { title = "Marks a column, by distance", from = 0, to = o.max, values = o.values })
        add(view.grid { title = "The same marks, by doublings", from = o.smallest, to = o.max, scale = "log", values = { table.unpack(o.values, 2) } })
      end
      add(string.format("%s of %s values, %s, lie from 0 to %s, the first %s of the range. Each doubling has the same number of marks, so half of them crowd near 0 and the far end is nearly empty: only %s stand above half of the largest.",
        fmt(o.answer), fmt(o.all), percent(100 * o.answer / o.all), exact(o.upto), percent(100 * o.upto / o.max), fmt(o.above - 1)))
      if o.format == "e4m3" then
        add(string.format("%s of the marks lie from 0 to 2. The linear layer of MiniLM, scaled so that its largest weight becomes 448, has %s of its weights there.",
          percent(100 * o.below / o.all), percent(o.real)))
      end
      add(view.quote "A jug with eight marks from one spoon to two, and eight from one bucket to two.")
      return blocks
    end,
    card = {
      front = "How many marks has E4M3 in each doubling?", answer = 8, within = "exact",
      back = "E4M3 has 8 marks in each doubling, since it has 3 mantissa bits. So half of all marks lie below 2, although the range ends at 448.",
      again = "E4M3 ends at 448. Yet half of its marks lie below 2. How many does it have from 1 up to 2?",
    },
    dives = { "fp8-unscaled" },
  },

  part { id = "landing", title = "landing on them", core = true },

  predict {
    id = "casts", title = "Who misses most?",
    ask = "Cast 0.001, 0.1, 17 and 300 to E4M3. Which comes back worst, measured as a share of itself?",
    order = { first = "largest relative error first",
      { "v0.001", "0.001" }, { "v0.1", "0.1" }, { "v17", "17" }, { "v300", "300" } },
    hints = {
      "What is the step at each value? From 16 to 32 it is 2, from 256 to 448 it is 32.",
      "A value can miss by half a step. Compare that with the value.",
      "Below 2^-6 = 0.0156 the step stays 2^-9 = 0.00195, however small the value.",
    },
    wrong = { { "v300", "v17", "v0.1", "v0.001" }, { "v17", "v300", "v0.1", "v0.001" }, { "v300", "v17", "v0.001", "v0.1" } },
    knobs = {
      value = { 17, from = 0.0005, to = 600, scale = "log", label = "one more value", at = 1 },
      format = { "e4m3", choices = { "e4m3", "e5m2", "fp16", "e2m1" }, label = "format", at = 2 },
    },
    compute = function(lab, knob)
      local casts = {}
      local values = { 0.001, 0.1, 17, 300 }
      for i, x in ipairs(values) do
        local c = lab.cast(x, knob.format)
        casts[i] = { id = "v" .. exact(x), x = x, cast = c, error = 100 * math.abs(c.value - x) / x }
      end
      local extra = lab.cast(knob.value, knob.format)
      local x, y, worst, at = {}, {}, 0, 0
      local f = lab.format(knob.format)
      local list = {}
      for i = 0, 399 do list[i + 1] = 2 ^ (-10 + i * 19 / 399) end
      local q = lab.quantize(lab.values(list), { format = knob.format, scale = "none" })
      for i = 1, 400 do
        x[i] = list[i]
        y[i] = math.max(100 * math.abs(q:at(1, i) - list[i]) / list[i], 0.05)
      end
      local fine = {}
      for i = 0, 8191 do fine[i + 1] = f.normal * (f.max / f.normal) ^ (i / 8191) end
      fine[8193] = 17
      local fq = lab.quantize(lab.values(fine), { format = knob.format, scale = "none" })
      for i = 1, #fine do
        local e = 100 * math.abs(fq:at(1, i) - fine[i]) / fine[i]
        if e > worst then worst, at = e, fine[i] end
      end
      local ranked = { table.unpack(casts) }
      table.sort(ranked, function(a, b) return a.error > b.error or (a.error == b.error and a.x < b.x) end)
      local ids = {}
      for i, c in ipairs(ranked) do ids[i] = c.id end
      return { answer = ids, ranked = ranked, x = x, y = y, worst = worst, at = at, format = knob.format, normal = f.normal,
               max = f.max, extra = extra, value = knob.value }
    end,
    reveal = function(o)
      local rows = {}
      for i, c in ipairs(o.ranked) do
        rows[i] = { exact(c.x), exact(c.cast.value), exact(c.cast.step), fmt(math.abs(c.cast.value - c.x)), percent(c.error) }
      end
      return {
        view.table { columns = { "value", "becomes", "step", "off by", "relative" }, rows = rows },
        view.plot { x = { label = "value", scale = "log", from = 2 ^ -10, to = 512 }, y = { label = "relative error", unit = "%", scale = "log", from = 0.1, to = 100 },
          series = { { label = TITLES[o.format], x = o.x, y = o.y, role = "outcome" } },
          refs = { { y = o.worst, label = fmt(o.worst) .. " %" }, { x = o.normal, label = "subnormals" } } },
        string.format("300 is off by the largest amount, but the steps grow with the values, so no value from %s to %s loses more than %s of itself. The worst met here is %s.",
          exact(o.normal), exact(o.max), percent(o.worst), exact(o.at)),
        string.format("Left of %s the steps stop shrinking, and a value loses more the smaller it is, until it becomes 0.", exact(o.normal)),
        string.format("%s becomes %s in %s.", exact(o.value), exact(o.extra.value), TITLES[o.format]),
      }
    end,
    card = {
      front = "What share of itself does a normal value lose at worst in a cast to E4M3, in percent?", answer = 5.88, unit = "%", within = "5 %",
      back = "A cast to E4M3 takes one seventeenth of a value at worst, 5.9 %: 17 lies midway between 16 and 18. Below 2^-6 the steps stop shrinking and the share grows to all of it.",
      again = "17 lies midway between two marks of E4M3, and no normal value fares worse. What percentage of itself does it lose?",
    },
  },

  part { id = "two", title = "two rulers", core = true },

  predict {
    id = "rulers", title = "Even steps or growing ones",
    ask = {
      "Two one-byte rulers for one tensor. INT8 has 127 even steps up to the largest value. E4M3 is scaled so that its 448 meets the same largest value.",
      "Near 0 the steps of E4M3 are finer, near the top those of INT8. Up to what share of the largest value are E4M3's finer?",
    },
    place = { from = 0, to = 100, unit = "%", tick = 1, within = "4 points" },
    hints = {
      "Let the largest value be 448. How wide is one step of INT8?",
      "E4M3 steps by 1 from 8 to 16, by 2 from 16 to 32, by 4 from 32 to 64.",
      "Which of these is the first wider than INT8's? What share of 448 is its start?",
    },
    wrong = { 50, 25, 33 },
    knobs = {
      pair = { "INT8 and E4M3", choices = { "INT8 and E4M3", "INT4 and E2M1" }, label = "rulers", at = 1 },
      times = { 1, from = 1, to = 100, scale = "log", label = "one in 1,000, times", at = 2 },
    },
    compute = function(lab, knob)
      local small = knob.pair ~= "INT8 and E4M3"
      local steps, f = small and 7 or 127, lab.format(small and "e2m1" or "e4m3")
      local int, values, cross = f.max / steps, f.values(0, f.max), 0
      local x, y = {}, {}
      for i = 1, #values - 1 do
        local gap = values[i + 1] - values[i]
        if values[i] >= f.max / 100 then
          x[#x + 1], y[#y + 1] = 100 * values[i] / f.max, 100 * gap / f.max
          x[#x + 1], y[#y + 1] = 100 * values[i + 1] / f.max, 100 * gap / f.max
        end
        if gap < int then cross = values[i + 1] end
      end
      local t = lab.gaussian { n = 2 ^ 20, outliers = knob.times > 1 and 0.001 or 0, times = knob.times }
      local real = lab.tensor "minilm/ffn_weight"
      local function below(tensor) return 100 * (1 - tensor:count(tensor.amax * cross / f.max) / tensor.n) end
      return { answer = 100 * cross / f.max, x = x, y = y, int = 100 / steps, below = below(t), real = below(real), cross = cross,
               max = f.max, marks = f.count(0, cross), all = f.count(0), top = (values[#values] - values[#values - 1]) / int,
               names = small and { "INT4", "E2M1" } or { "INT8", "E4M3" }, times = knob.times }
    end,
    reveal = function(o)
      local int, float = o.names[1], o.names[2]
      return {
        view.plot { x = { label = "value, % of the largest", scale = "log", from = 1, to = 100 }, y = { label = "step", unit = "%", scale = "log" },
          series = { { label = float, x = o.x, y = o.y, role = "outcome" }, { label = int, x = { 1, 100 }, y = { o.int, o.int } } },
          refs = { { x = o.answer, label = fmt(o.answer) .. " %" } } },
        string.format("With the top at %s an %s step is %s. %s is finer only up to %s, and coarser beyond; at the top %s is %s times finer.",
          exact(o.max), int, fmt(o.max * o.int / 100), float, exact(o.cross), int, fmt(o.top)),
        string.format("So it hangs on where the values are. %s of a million %s lie below that point, and %s of MiniLM's weights; %s of %s's marks serve them.",
          percent(o.below), o.times > 1 and "values with such outliers" or "Gaussian values", percent(o.real), percent(100 * o.marks / o.all), float),
        "A float's step is a share of the value; an integer's is a share of the largest value under its scale. The next lessons live on that difference.",
      }
    end,
    takeaway = "INT8 is finer than E4M3 above 7 % of the largest value, E4M3 below; where the values are decides.",
    links = { "scales" },
  },

  -- sums ------------------------------------------------------------------------------------------------------------

  part { id = "counting", title = "counting", core = true },

  predict {
    id = "counter", title = "A counter in BF16",
    ask = "A BF16 counter (8 exponent bits, 7 mantissa bits) starts at 0. Add 1 a million times and round each sum to BF16. What does it show?",
    number = { scale = "log", within = "5 %", from = 1, to = 1e9 },
    hints = {
      "How far apart are BF16's values from 128 to 256? From 256 on?",
      "256 + 1 lies midway between two values. Where does a tie go?",
      "Ties go to the value whose last mantissa bit is 0.",
    },
    wrong = { 1000000, 65536, 128 },
    knobs = {
      format = { "bf16", choices = { "e5m2", "e4m3", "bf16", "fp16" }, label = "format", at = 1 },
      add = { 1, from = 0.1, to = 16, scale = "log", label = "add", at = 2 },
    },
    compute = function(lab, knob)
      local series, value = {}, nil
      for i, name in ipairs { "e5m2", "e4m3", "bf16", "fp16" } do
        local c = lab.counter { format = name, add = knob.add, times = 1e6 }
        if name == knob.format then value = c.value end
        series[i] = { label = TITLES[name], x = c.x, y = c.y, role = name == knob.format and "outcome" or nil, stop = c.value }
      end
      local step = lab.cast(value, knob.format).step
      local a, b = lab.uniform { n = 4096 }, lab.uniform { n = 4096, stream = 1 }
      return { answer = value, series = series, step = step, add = knob.add, format = knob.format,
               near = lab.format(knob.format).values(value - 3 * step, value + 3 * step),
               dot = lab.accumulate { kind = "fp64", a = a, b = b }.sum, narrow = lab.accumulate { kind = "bf16", a = a, b = b }.sum }
    end,
    reveal = function(o)
      local series, stops = {}, {}
      for i, s in ipairs(o.series) do
        series[i] = { label = s.label, x = s.x, y = s.y, role = s.role }
        stops[i] = s.label .. " at " .. fmt(s.stop)
      end
      return {
        view.plot { x = { label = "additions", scale = "log", from = 1, to = 1e6 }, y = { label = "counter", scale = "log" }, series = series },
        view.grid { from = o.answer - 3 * o.step, to = o.answer + 3 * o.step, values = o.near,
          marks = { { at = o.answer, label = exact(o.answer), role = "outcome" }, { at = o.answer + o.add, label = "the sum", role = "value" } } },
        string.format("From %s the values are %s apart. The sum %s %s, and the cast returns to %s: this addition never counts again.",
          exact(o.answer), exact(o.step), exact(o.answer + o.add),
          2 * o.add == o.step and "is a tie, ties go to the even mantissa" or "lies nearer to " .. exact(o.answer), exact(o.answer)),
        "It stops for: " .. table.concat(stops, ", ") .. ".",
        string.format("It happens in products too. 4,096 pairs of numbers between 0 and 1: the dot product is %s. Summed in BF16 it is %s. Hence hardware multiplies in few bits and adds up in many.",
          fmt(o.dot), fmt(o.narrow)),
      }
    end,
    card = {
      front = "Add 1 again and again in BF16, rounding each sum. At which value does it stick?", answer = 256, within = "exact",
      back = "BF16 sticks at 256: from there values are 2 apart, 257 is a tie, and ties go to the even mantissa. E4M3 stops at 16, FP16 at 2,048.",
      again = "BF16 has 7 mantissa bits. Up to which whole number can it count by ones?",
    },
    dives = { "bf16-training", "bf16-or-fp16" }, links = { "fp8" },
  },

  part { id = "chance", title = "a coin", core = true },

  predict {
    id = "coin", title = "Rounding by coin",
    ask = {
      "The same BF16 counter, a million times 1. But now a weighted coin picks between the value below and the value above: the nearer one is the likelier, in proportion. That is stochastic rounding.",
      "What does the counter show?",
    },
    number = { scale = "log", within = "20 %", from = 1, to = 1e9 },
    hints = {
      "At 256 the sum 257 lies midway. What is the chance of 258?",
      "A step of 2 with chance one half is what, on average?",
    },
    wrong = { 256, 500000, 2000000 },
    knobs = {
      format = { "bf16", choices = { "e4m3", "bf16", "fp16" }, label = "format", at = 1 },
      value = { 17.2, from = 16, to = 18, step = 0.1, label = "cast 1,000 times", at = 2 },
    },
    compute = function(lab, knob)
      local near = lab.counter { format = knob.format, times = 1e6 }
      local coin = lab.counter { format = knob.format, times = 1e6, rounding = "stochastic" }
      local list = {}
      for i = 1, 1000 do list[i] = knob.value end
      local q = lab.quantize(lab.values(list), { format = "e4m3", scale = "none", rounding = "stochastic" })
      local sum, x, y, above = 0, {}, {}, 0
      for i = 1, 1000 do
        sum = sum + q:at(1, i)
        if q:at(1, i) > 17 then above = above + 1 end
        if i <= 20 or i % 10 == 0 then x[#x + 1], y[#y + 1] = i, sum / i end
      end
      local t = lab.gaussian { n = 2 ^ 18 }
      local function mse(rounding) return lab.quantize(t, { format = "int8", scale = "tensor", rounding = rounding }).mse end
      return { answer = coin.value, near = near, coin = coin, x = x, y = y, mean = sum / 1000, above = above, value = knob.value,
               nearest = lab.cast(knob.value, "e4m3").value, price = mse "stochastic" / mse "nearest", format = knob.format }
    end,
    reveal = function(o)
      return {
        view.plot { x = { label = "additions", scale = "log", from = 1, to = 1e6 }, y = { label = "counter", scale = "log" },
          series = { { label = "by coin", x = o.coin.x, y = o.coin.y, role = "outcome" }, { label = "to nearest", x = o.near.x, y = o.near.y } } },
        string.format("To nearest it sticks at %s. By coin it reaches %s of 1,000,000: each rounding errs, the errors point both ways, and in a long sum they cancel.", fmt(o.near.value), fmt(o.answer)),
        view.plot { title = "The mean of many casts of " .. exact(o.value) .. " to E4M3", x = { label = "casts", scale = "log", from = 1, to = 1000 }, y = { label = "mean", from = 15.8, to = 18.2 },
          series = { { label = "mean so far", x = o.x, y = o.y, role = "outcome" } }, refs = { { y = o.value, label = exact(o.value) } } },
        string.format("E4M3 has 16 and 18. %d of 1,000 casts went up, and their mean is %s; to nearest all of them give %s.", o.above, fmt(o.mean), exact(o.nearest)),
        string.format("The price: one rounding by coin has %s times the squared error of nearest (INT8, Gaussian values). So it is for sums, such as weight updates in training, and not for weights that are rounded once.", fmt(o.price)),
      }
    end,
    takeaway = "Rounding by coin buys right averages, so long sums do not stick; each single rounding has twice the squared error.",
  },

  -- overflow --------------------------------------------------------------------------------------------------------

  part { id = "overflow", title = "overflow", core = true },

  predict {
    id = "nan", title = "One value too large",
    ask = {
      "Activations of 128 tokens by 384 features are cast to E4M3 without clamping. One value of token 40 is 500; beyond the last mark such a cast gives NaN. A linear layer of 384 by 384 weights follows.",
      "How many of the layer's 49,152 outputs are NaN?",
    },
    number = { scale = "log", within = "exact", from = 1, to = 100000 },
    hints = {
      "Which inputs does one output read?",
      "Which outputs read the row of token 40?",
    },
    wrong = { 1, 49152, 128 },
    knobs = {
      policy = { "NaN", choices = { "NaN", "clamp" }, label = "beyond 448", at = 1 },
      value = { 500, from = 400, to = 600, step = 1, label = "the value", at = 2 },
    },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 128, cols = 384, sigma = 80 }:with { rows = 41, cols = 200, value = knob.value }
      local w = lab.gaussian { rows = 384, cols = 384, sigma = 0.02, stream = 1 }
      local q = lab.quantize(x, { format = "e4m3", scale = "none", overflow = knob.policy == "NaN" and "native" or "saturate" })
      local exact_y, y = lab.product(x, w), lab.product(q.values, w)
      local function rows(t, from, to) -- the others set to 0
        if from > 1 then t = t:with { rows = { 1, from - 1 }, value = 0 } end
        return to < 128 and t:with { rows = { to + 1, 128 }, value = 0 } or t
      end
      local rest = lab.compare(exact_y:with { rows = 41, value = 0 }, y:with { rows = 41, value = 0 })
      return { answer = y.nonfinite, y = y, into = q.values.nonfinite, policy = knob.policy, value = knob.value, rest = 100 * rest.relative,
               hit = y.nonfinite == 0 and 100 * lab.compare(rows(exact_y, 41, 41), rows(y, 41, 41)).relative or nil,
               last = lab.cast(464, "e4m3", "native").value, first = lab.cast(465, "e4m3", "native").value, later = 128 - 40 }
    end,
    reveal = function(o)
      local bad = o.answer > 0
      return {
        view.heat { o.y, title = "The layer's outputs", row = "token", column = "output" },
        bad and string.format("%s: the whole row of token 40, and no other. Each output of a token sums over that token's %s inputs, and NaN plus anything is NaN.", fmt(o.answer), fmt(384))
          or o.into == 0 and string.format("None. The value became 448 or what lies nearest; token 40 is %s off, the other tokens %s.", percent(o.hit), percent(o.rest)) or "None.",
        string.format("Overflow is a policy, not a property. Without clamping 464 still gives %s and 465 gives %s; with clamping both give 448. Libraries differ, and the same file can be fine in one and NaN in the next.", exact(o.last), exact(o.first)),
        string.format("Attention comes next. There every later token reads token 40: %d of 128 rows, %s. Where masked entries are multiplied by 0 instead of left out it is all of them, since 0 times NaN is NaN.", o.later, percent(100 * o.later / 128)),
      }
    end,
    card = {
      front = "500 is cast to E4M3. What comes back, and how far does it spread?",
      back = "500 becomes 448 or NaN, by policy. One NaN makes the whole row of its token NaN in the next linear layer, and all later tokens in attention.",
      again = "Outputs turned NaN after a switch to FP8. Which casts would you look at first?",
    },
    dives = { "nan-since-fp8" },
  },

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague wonders: why does one byte keep 0.1 nearly right, lose 17, and stop counting at 16? Explain it in two or three sentences.",
    model = "E4M3 has eight marks in every doubling. Near 0.1 they stand 1/128 apart, from 16 on they stand 2 apart, so 17 is midway between two marks and goes to 16, and 16 + 1 goes back to 16 for ever. No single normal value loses more than a seventeenth of itself; a sum can lose nearly everything, unless it is kept in more bits or rounded by coin.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "gradients", title = "Why do gradients take E5M2 when weights take E4M3?",
    "E4M3 for values, E5M2 for range. E5M2 is the upper byte of FP16: it reaches 57,344 and keeps infinity, but has only four marks a doubling. Weights and activations come with a scale that makes them fit, so the extra mantissa bit wins. Gradients in training span many powers of two, and there the range wins.",
    compute = function(lab)
      local x = lab.gaussian { n = 2 ^ 18 }
      local function db(format) return lab.quantize(x, { format = format, scale = "tensor" }).sqnr_db end
      return { e4m3 = db "e4m3", e5m2 = db "e5m2" }
    end,
    reveal = function(o)
      return { view.bars { unit = "dB", title = "Gaussian values, one scale: signal over error", bars = { { label = "E4M3", value = o.e4m3 }, { label = "E5M2", value = o.e5m2 } } },
               string.format("One mantissa bit less costs %s dB here: each step is twice as wide.", fmt(o.e4m3 - o.e5m2)) }
    end,
  },

  dive {
    id = "bf16-or-fp16", title = "BF16 or FP16, when both have 16 bits?",
    "FP16 spends 10 bits on the mantissa and 5 on the exponent, BF16 7 and 8. FP16's steps are eight times finer, but it overflows beyond 65,504 and loses what is tiny. Training meets tiny gradients, so models are trained and published in BF16.",
    compute = function(lab)
      local x = lab.gaussian { n = 2 ^ 18, sigma = 1e-7 }
      local function zeros(format) return 100 * lab.quantize(x, { format = format, scale = "none" }).zero_fraction end
      return { fp16 = zeros "fp16", bf16 = zeros "bf16" }
    end,
    reveal = function(o)
      return { string.format("Tried just now on values around 1e-7, as small gradients are: %s of them become 0 in FP16, %s in BF16.", percent(o.fp16), percent(o.bf16)) }
    end,
  },

  dive {
    id = "bf16-training", title = "If BF16 stops counting at 256, why does training in BF16 work?",
    "Because the sums are not kept in BF16. Matrix units multiply BF16 numbers and add the products up in FP32, and the optimizer keeps a master copy of the weights in FP32. Where that copy is left out, stochastic rounding takes its place.",
    compute = function(lab)
      local a, b = lab.uniform { n = 4096 }, lab.uniform { n = 4096, stream = 1 }
      local function sum(kind) return lab.accumulate { kind = kind, a = a, b = b }.sum end
      return { exact = sum "fp64", bf16 = sum "bf16", fp32 = sum "fp32" }
    end,
    reveal = function(o)
      return { view.table { caption = "A dot product of 4,096 pairs between 0 and 1", columns = { "summed in", "result" },
        rows = { { "FP64", fmt(o.exact) }, { "FP32", fmt(o.fp32) }, { "BF16", fmt(o.bf16) } } } }
    end,
  },

  dive {
    id = "fp8-unscaled", title = "Can I cast to FP8 without a scale?",
    "Often it nearly works, which makes it dangerous. Weights of a layer are around 0.02, and E4M3's normal values end at 0.0156: most weights land on the even subnormal steps. A scale moves them to where the marks are dense in proportion.",
    compute = function(lab)
      local x = lab.gaussian { n = 2 ^ 18, sigma = 0.02 }
      local plain, scaled = lab.quantize(x, { format = "e4m3", scale = "none" }), lab.quantize(x, { format = "e4m3", scale = "tensor" })
      return { plain = plain.sqnr_db, zeros = 100 * plain.zero_fraction, scaled = scaled.sqnr_db, sub = 100 * (1 - x:count(2 ^ -6) / x.n),
               int8 = 100 * lab.quantize(x, { format = "int8", scale = "none" }).zero_fraction }
    end,
    reveal = function(o)
      return { string.format("Tried just now on Gaussian weights of size 0.02: %s of them are subnormal, %s become 0, and the signal stands %.1f dB over its error. With a scale it is %.1f dB. INT8 without a scale turns %s into 0.",
        percent(o.sub), percent(o.zeros), o.plain, o.scaled, percent(o.int8)) }
    end,
  },

  dive {
    id = "nan-since-fp8", title = "My outputs are NaN since I switched to FP8. Where do I look?",
    "Count the values beyond 464 in what is cast to E4M3, before the cast. Then find out whether the cast clamps: the default of CUDA's C++ constructor does, a plain cast in ml_dtypes does not. A scale computed from the largest value of another batch is the usual cause.",
    compute = function(lab)
      local x = lab.gaussian { n = 2 ^ 18, sigma = 120 }
      local function cast(overflow) return lab.quantize(x, { format = "e4m3", scale = "none", overflow = overflow }) end
      return { beyond = x:count(464), native = cast("native").nonfinite, clamped = cast("saturate").nonfinite, n = x.n }
    end,
    reveal = function(o)
      return { string.format("Tried just now: of %s values around 120, %s exceed 464. A native cast makes %s of them NaN, a clamping cast %s.", fmt(o.n), fmt(o.beyond), fmt(o.native), fmt(o.clamped)) }
    end,
  },

  dive {
    id = "fnuz", title = "Why does my FP8 file give half of every value on an MI300X?",
    "The MI300X reads E4M3 FNUZ: finite, no infinity, and no negative zero, whose code is the only NaN. Its exponent counts from 8 instead of 7, so each code means half, and the largest value is 240. Loaders double the scales and replace the code of -0; if yours does not, every weight is halved.",
    compute = function(lab)
      local rows = {}
      for i, bits in ipairs { "01111110", "00111000", "10000000" } do
        rows[i] = { bits, exact(lab.decode(bits, "e4m3").value), exact(lab.decode(bits, "e4m3fnuz").value) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { columns = { "byte", "E4M3 (OCP)", "E4M3 FNUZ" }, rows = o.rows } } end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "scales", title = "One scale for how many numbers?",
    "A scale stretches a format's marks over the numbers that share it.",
    "The largest of them sets the step for all.",
    "Fewer sharers mean less error and more scales to store.",
    "128 weights with a 16-bit scale cost an eighth of a bit each." },
  link { lesson = "fp8", title = "W8A8 with floating point",
    "E4M3 for weights and activations, E5M2 for gradients.",
    "Each value brings its own step, so outliers do little harm.",
    "Scales are static, from calibration, or dynamic, from each token.",
    "Accumulators need more bits than the products." },
}
