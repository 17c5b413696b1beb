-- Why decode waits for memory: bytes a token against operations a token, on this machine and on the course's card.
-- Figures of the card are data-sheet arithmetic. Timings are of this machine, in rounds; they are judged by order or
-- band, and not at all when the machine is too busy.

local GIB, MIB = 2 ^ 30, 2 ^ 20
local CARD = { bandwidth = 3.9e12, bf16 = 835e12, fp8 = 1671e12 } -- H100 NVL data sheet, without sparsity
local CARD_SOURCE = "H100 NVL data sheet, dense"
local H200 = 4.8e12                                               -- bytes a second, data sheet

local TITLES = { fp32 = "FP32", fp16 = "FP16", int8 = "INT8", int4 = "INT4", e4m3 = "E4M3", ["int4-naive"] = "INT4, plain loop", ["fp32-naive"] = "FP32, plain loop" }

local function percent(x) return fmt(x) .. " %" end
local function gb(bytes) return string.format("%.2f GB", bytes / 1e9) end
local function ms(seconds) return fmt(seconds * 1e3) .. " ms" end

-- What a timed reveal ends with.
local function how(t)
  return string.format("Median of %d rounds in turn, one core; %d more were interrupted. Times move with the clock, with heat and with what else runs, so orders and bands are judged here and not the digits; where middle halves overlap, the order is a tie.", t.rounds, t.dropped)
end

-- What times stand on where not the whole matrix was computed; else nothing.
local function part_of(t)
  local parts = {}
  for _, c in ipairs(t) do
    if c.timed_rows < t.rows then parts[#parts + 1] = string.format("%s on %d", TITLES[c.format] or c.format .. " chats", c.timed_rows) end
  end
  if #parts == 0 then return "" end
  return string.format(" Of the %d rows only the first were timed (%s) where instructions set the time, a weight costs the same wherever it lies, and the time was scaled to all.", t.rows, table.concat(parts, ", "))
end

-- The same products on the card, each format at each batch; nil where none is in use.
local function on_card(lab, formats, batches)
  if not lab.machine().gpu then return nil end
  local card = {}
  for _, format in ipairs(formats) do
    local t = lab.gemv { device = "cuda", formats = { format }, batches = batches }
    for i, c in ipairs(t) do card[#card + 1] = { format = format, batch = batches[i], bytes = c.bytes, seconds = c.seconds, gb_per_s = c.gb_per_s } end
    card.name, card.rows, card.cols = t.device, t.rows, t.cols
    card.read = math.max(card.read or 0, t.stream.gb_per_s) -- of the largest matrix: fewer bytes are read less well
  end
  return card
end

-- The card beside this machine's core, where there is one: blocks for a reveal.
local function beside_card(card, blocks)
  if not card then return blocks end
  local rows = {}
  for i, c in ipairs(card) do rows[i] = { c.format:upper(), fmt(c.batch), fmt(c.bytes / MIB), fmt(c.seconds * 1e6), fmt(c.gb_per_s) } end
  blocks[#blocks + 1] = view.table { caption = card.name .. string.format(": a matrix of %d x %d, its memory gives %s GB a second", card.rows, card.cols, fmt(card.read)), columns = { "weights", "chats", "MiB", "microseconds", "GB/s" }, rows = rows }
  return blocks
end

-- The most operations a second that this machine's loops reach, from a matrix that stays in the cache.
local function reach(lab)
  local t = lab.gemv { formats = { "fp32" }, rows = 128, cols = 1024, batch = 64, rounds = 15, ["repeat"] = 8 }
  return t[1].flops / t[1].fastest
end

return lesson {
  id = "memory-wall", title = "Why decode waits for memory", course_part = "A", minutes = 14, needs = { "grids" },
  win = "say for a model, a card and a batch whether bytes or arithmetic set the speed",
  sources = {
    "NVIDIA H100 NVL and H200 data sheets (dense figures)",
    "How to Scale Your Model (JAX), chapter on inference: the batch at which arithmetic takes over",
    "llama.cpp tools/quantize/README.md (prefill and decode by format)",
    "NVML documentation: GPU utilization is time with a kernel running",
  },

  -- idle ------------------------------------------------------------------------------------------------------------

  part { id = "idle-part", title = "idle arithmetic", core = true },

  read {
    id = "setting", title = "One trip for each token",
    "Decode writes one token after the other, and each takes every weight once: a multiplication and an addition, 2 operations (FLOPs). Memory hands the weights over at so many GB a second. Until they are there, the arithmetic has nothing to do.",
    "A batch is the number of chats that are served in one pass over the weights.",
    view.quote "The van brings the whole recipe binder for one dish. The cook needs a second; the van takes an hour.",
  },

  predict {
    id = "idle", title = "How busy is the arithmetic?",
    ask = "An H100 NVL reads 3.9 TB a second and can do 835 TFLOPS in BF16. One chat, BF16 weights. At most what share of its arithmetic is busy?",
    number = { unit = "%", scale = "log", within = "25 %", from = 0.01, to = 100 },
    hints = {
      "How many operations does a weight bring? How many bytes?",
      "That is 1 operation for each byte. How many could the card do while one byte arrives?",
    },
    wrong = { 0.93, 0.23, 50, 100, 5 },
    knobs = {
      card = { "H100 NVL", choices = { "H100 NVL", "H200 SXM", "RTX 4090", "L40S" }, label = "card", at = 1 },
      headline = { "dense", choices = { "dense", "sparse headline" }, label = "TFLOPS", at = 2 },
    },
    compute = function(lab, knob)
      local cards = { ["H100 NVL"] = { 3.9e12, 835e12 }, ["H200 SXM"] = { 4.8e12, 989.4e12 }, ["RTX 4090"] = { 1.008e12, 165.2e12 }, L40S = { 0.864e12, 362e12 } }
      local bandwidth, peak = cards[knob.card][1], cards[knob.card][2] * (knob.headline == "dense" and 1 or 2)
      return { answer = 100 * bandwidth / peak, bandwidth = bandwidth, peak = peak, card = knob.card,
               here = lab.read { threads = 1 }, reach = reach(lab) }
    end,
    reveal = function(o)
      local here = o.here.gb_per_s * 1e9
      return {
        view.roofline { roofs = { { label = o.card, bandwidth = o.bandwidth, peak = o.peak, source = "data sheet" },
                                  { label = "one core here", bandwidth = here, peak = o.reach, source = "measured" } },
          points = { { label = "one chat, BF16", intensity = 1, speed = o.bandwidth, role = "outcome" }, { label = "one chat, FP32, here", intensity = 0.5, speed = math.min(here * 0.5, o.reach), role = "value" } } },
        string.format("A BF16 weight is 2 bytes and brings 2 operations: 1 for each byte. In the time of one byte the card could do %s. The rest of its arithmetic idles.", fmt(math.floor(o.peak / o.bandwidth + 0.5))),
        string.format("One core of this machine, measured now: %s GB a second and %s GFLOPS, so %s of its arithmetic would be busy with FP32 weights. The larger machine idles more.",
          fmt(o.here.gb_per_s), fmt(o.reach / 1e9), percent(100 * math.min(1, here * 0.5 / o.reach))),
      }
    end,
    card = {
      front = "One chat, BF16 weights: how many operations does each byte bring that is read from memory?", answer = 1, within = "exact",
      back = "One chat with BF16 weights brings 1 operation a byte; the card could do 214. More than 99 % of the arithmetic waits for memory.",
      again = "A weight takes 2 bytes, and one chat multiplies and adds once with it. How many operations is that for each byte?",
    },
    dives = { "gpu-100" },
  },

  -- ceiling ---------------------------------------------------------------------------------------------------------

  part { id = "ceiling-part", title = "a ceiling", core = true },

  predict {
    id = "ceiling", title = "Tokens a second, here",
    ask = "Llama-3.1-8B in BF16, one chat, on this machine with all its cores. At most how many tokens a second?",
    number = { unit = "tokens/s", scale = "log", within = "2 x", from = 0.1, to = 1000 },
    hints = {
      "How many GB are 8 billion weights of 2 bytes?",
      "How many GB a second can your memory deliver? A laptop has 50 to 120, a server core 10 to 40.",
    },
    wrong = { 1000, 0.1 },
    knobs = {
      weights = { "bf16", choices = { "bf16", "int8", "int4" }, label = "weights", at = 1 },
      cores = { "all", choices = { "one", "all" }, label = "cores", at = 2 },
    },
    compute = function(lab, knob)
      local function bytes(format) return lab.weights { config = "llama-3.1-8b", format = format }.streamed_bytes end
      local read = lab.read { threads = knob.cores == "one" and 1 or nil }
      local now = bytes(knob.weights)
      return { answer = read.gb_per_s * 1e9 / now, low = read.bytes / read.high / now, high = read.bytes / read.low / now, unscored = read.noisy,
               read = read, now = now, bf16 = bytes "bf16", int8 = bytes "int8", int4 = bytes "int4", weights = knob.weights }
    end,
    reveal = function(o)
      local rate = o.read.gb_per_s * 1e9
      return {
        view.bars { title = "Tokens a second, at most", unit = "tokens/s", scale = "log", from = 0.1, bars = {
          { label = "here, BF16", value = rate / o.bf16, role = o.weights == "bf16" and "outcome" or nil, note = gb(o.bf16) .. " a token" },
          { label = "here, INT8", value = rate / o.int8, role = o.weights == "int8" and "outcome" or nil, note = gb(o.int8) .. " a token" },
          { label = "here, INT4", value = rate / o.int4, role = o.weights == "int4" and "outcome" or nil, note = gb(o.int4) .. " a token" },
          { label = "H200, BF16", value = H200 / o.bf16, note = "data sheet" } } },
        string.format("Every token hauls the model: %s of weights (all but the embedding table, of which one row is read). This machine reads %s GB a second with %d thread%s, the fastest of 15 passes over %s MiB.",
          gb(o.now), fmt(o.read.gb_per_s), o.read.threads, o.read.threads == 1 and "" or "s", fmt(math.floor(o.read.bytes / MIB + 0.5))),
        "A ceiling, since only the weights are counted. A faster processor on the same memory does not raise it; fewer bytes do.",
        "Why the figure moves: other programs read memory too, clocks change, and a virtual machine gets a share of the bus. So the band is a factor of 2.",
      }
    end,
    takeaway = "The ceiling of one chat: memory bandwidth over the bytes read for a token, the weights and the chat's cache.",
    dives = { "cpu-limit" },
  },

  -- loops -----------------------------------------------------------------------------------------------------------

  part { id = "loops-part", title = "loops", core = true },

  predict {
    id = "loops", title = "Fewer bytes, faster?",
    ask = {
      "A matrix of millions of weights, larger than the caches, times one vector, on one core of this machine. FP32 takes 4 bytes a weight, INT8 one, INT4 half of one.",
      "Three loops are written well, with vector instructions. The fourth unpacks one INT4 weight at a time. Which is fastest?",
    },
    order = { first = "fastest first",
      { "fp32", "FP32" }, { "int8", "INT8" }, { "int4", "INT4" }, { "int4-naive", "INT4, plain loop" } },
    hints = {
      "What happens to a 4-bit weight before it is multiplied?",
      "How many weights a second arrive from memory? How many can a plain loop unpack?",
    },
    wrong = { { "int4", "int4-naive", "int8", "fp32" }, { "int4-naive", "int4", "int8", "fp32" } },
    knobs = { fourth = { "int4-naive", choices = { "int4-naive", "fp16", "e4m3" }, label = "the fourth", at = 1 } },
    compute = function(lab, knob)
      local slow = lab.machine().isa == "scalar"
      local t = lab.gemv { formats = { "fp32", "int8", "int4", "int4-naive" }, rows = slow and 2048 or nil }
      local other = knob.fourth ~= "int4-naive" and lab.gemv { formats = { "fp32", knob.fourth }, rows = slow and 2048 or nil } or nil
      local card = on_card(lab, { "bf16", "int8", "int4" }, { 1 })
      return { answer = t.order, ties = t.ties, unscored = t.noisy, t = t, other = other, slow = slow, card = card }
    end,
    reveal = function(o)
      local list = { table.unpack(o.t) }
      if o.other then list[4] = o.other[2] end
      local bytes, time, rows = {}, {}, {}
      for i, c in ipairs(list) do
        local title = TITLES[c.format] or c.format
        bytes[i] = { label = title, value = c.bytes / list[1].bytes }
        time[i] = { label = title, value = 1 / c.times, role = "outcome", note = fmt(c.bytes / MIB) .. " MiB" }
        rows[i] = { title, fmt(c.bytes / MIB), ms(c.seconds), fmt(c.low * 1e3) .. " to " .. fmt(c.high * 1e3), fmt(c.gb_per_s), c.kernel }
      end
      local naive, int4 = o.t[4], o.t[3]
      table.sort(time, function(a, b) return a.value > b.value end)
      return beside_card(o.card, {
        view.bars { title = "Time, FP32 = 1", bars = time },
        view.bars { title = "Bytes, FP32 = 1", bars = bytes },
        string.format(o.other and "The plain loop, not shown now, takes %s times INT4's time for the same bytes: it never reaches the wall. %s" or "Same bytes as INT4, %s times its time: the plain loop never reaches the wall. %s",
          fmt(naive.seconds / int4.seconds), "Time is the larger of two: bytes over bandwidth, and weights over what the loop can unpack a second."),
        o.slow and "Without vector instructions no loop here reaches the wall: the order is one of instructions, not of bytes."
          or string.format("The vector loops read %s, %s and %s GB a second; a loop that only reads gets %s. The nearer to that, the more a byte saved is time saved.", fmt(o.t[1].gb_per_s), fmt(o.t[2].gb_per_s), fmt(o.t[3].gb_per_s), fmt(o.t.stream.gb_per_s)),
        view.table { columns = { "weights", "MiB", "median", "middle half", "GB/s", "function" }, rows = rows },
        how(o.t) .. part_of(o.t),
      })
    end,
    card = {
      front = "A 4-bit model reads fewer bytes and is slower. How can that be?",
      back = "Unpacking a 4-bit weight can take longer than its bytes take to arrive. Time is the larger of the two, so fewer bytes help only a loop that keeps up with memory.",
      again = "Your INT4 model got slower than FP16. What do you profile first?",
    },
    dives = { "always-faster", "where-dequant" },
  },

  predict {
    id = "near", title = "Where the lead ends",
    ask = {
      "From memory INT4 is nearly twice as fast as INT8: it reads half the bytes. Now shrink the matrix, until it stays in a cache from one product to the next.",
      "At which size of the INT8 matrix does INT4's lead fall under 1.5?",
    },
    number = { unit = "MiB", scale = "log", within = "4 x", from = 0.0625, to = 256 },
    hints = {
      "Both formats multiply equally often. What is left to save, when bytes are near?",
      "How large is the last cache of your machine? (saffron doctor says.)",
    },
    wrong = { 0.0625, 256 },
    knobs = { against = { "int8", choices = { "int8", "fp32" }, label = "against", at = 1 } },
    compute = function(lab, knob)
      local x, lead, low, high = {}, {}, {}, {}
      local slow, noisy, dropped, rounds = lab.machine().isa == "scalar", nil, 0, 0
      for i = 0, slow and 5 or 11 do -- INT8 bytes: 64 KiB, doubling to 128 MiB
        local rows = 64 * 2 ^ i
        lab.progress(i / 12, fmt(rows * 1024 / MIB) .. " MiB")
        local t = lab.gemv { formats = { knob.against, "int4" }, rows = rows, cols = 1024, rounds = 7, ["repeat"] = math.max(1, math.floor(2 ^ (7 - i))) }
        x[i + 1], lead[i + 1], low[i + 1], high[i + 1] = rows * 1024 / MIB, t[2].times, t[2].times_low, t[2].times_high
        noisy, dropped, rounds = noisy or t.noisy, dropped + t.dropped, rounds + t.rounds
      end
      local cross
      for i = #x, 1, -1 do
        if lead[i] < 1.5 then
          cross = i < #x and math.sqrt(x[i] * x[i + 1]) or x[i]
          break
        end
      end
      local unscored = noisy
      if not noisy and (not cross or lead[#x] < 1.5) then unscored = "no such size was found on this machine, where unpacking costs as much as the bytes save." end
      return { answer = cross or x[1], unscored = unscored, x = x, lead = lead, low = low, high = high, cache = lab.machine().cache_bytes / MIB, found = cross and lead[#x] >= 1.5,
               against = knob.against, rounds = rounds, dropped = dropped }
    end,
    reveal = function(o)
      return {
        view.plot { x = { label = TITLES[o.against] == "INT8" and "INT8 matrix, MiB" or "weights, millions", scale = "log" }, y = { label = "lead of INT4", from = 0 },
          series = { { label = "median", x = o.x, y = o.lead, role = "outcome" }, { label = "three in four above", x = o.x, y = o.low }, { label = "three in four below", x = o.x, y = o.high } },
          refs = { { x = o.cache, label = "last cache " .. fmt(o.cache) }, { y = 1.5, label = "1.5" } } },
        o.found and string.format("Near bytes are nearly free. Below about %s the lead is under 1.5: a matrix that stays in a cache is there at once, and both formats multiply equally often.", o.against == "int8" and fmt(o.answer) .. " MiB" or fmt(o.answer) .. " million weights")
          or "Here the lead does not cross 1.5 where it was looked for.",
        "Just above the cache the lead can exceed the ratio of the bytes: INT4 still fits where the other no longer does. A virtual machine gets a share of the last cache, so the cliff may come early.",
        "On a GPU it is the L2 cache, and at the small end the launch of the kernel rules.",
        how(o),
      }
    end,
    takeaway = "The lead of fewer bytes ends where the matrix fits into a cache. A small benchmark shows no gain.",
  },

  -- batches ---------------------------------------------------------------------------------------------------------

  part { id = "batches", title = "chats share the trip", core = true },

  predict {
    id = "share", title = "Sixteen chats, one trip",
    ask = {
      "16 chats instead of one. Each FP32 weight is read once and serves all 16. On one core of this machine, how many times longer does a step take?",
    },
    number = { unit = "times", scale = "log", within = "1.5 x", from = 1, to = 32 },
    hints = {
      "Which bytes double with a second chat? Which operations?",
      "One chat leaves some of the arithmetic idle. How much, on a CPU core?",
    },
    wrong = { 32 },
    knobs = { format = { "fp32", choices = { "fp32", "int8", "int4" }, label = "weights", at = 1 } },
    compute = function(lab, knob)
      local slow = lab.machine().isa == "scalar"
      local batches = slow and { 1, 2, 4, 8, 16, 32 } or { 1, 2, 4, 8, 16, 64, 256 }
      local t = lab.gemv { formats = { knob.format }, batches = batches, rows = slow and 512 or nil }
      local x, y, at = {}, {}, nil
      for i, c in ipairs(t) do
        x[i], y[i] = batches[i], c.seconds * 1e3
        if batches[i] == 16 then at = c end
      end
      return { answer = 1 / at.times, low = 1 / at.times_high, high = 1 / at.times_low, unscored = t.noisy, x = x, y = y, t = t, slow = slow, format = knob.format,
               card = on_card(lab, { "bf16", "int4" }, { 1, 4, 16, 64 }) }
    end,
    reveal = function(o)
      local rows = {}
      for i, b in ipairs(o.x) do rows[i] = { fmt(b), fmt(o.y[i]), fmt(1 / o.t[i].times), fmt(b * o.t[i].times) } end
      return beside_card(o.card, {
        view.plot { x = { label = "chats", scale = "log" }, y = { label = "step", unit = "ms", scale = "log" }, series = { { label = TITLES[o.format], x = o.x, y = o.y, role = "outcome" } },
          refs = { { x = 16, label = "16" } } },
        string.format("%s times as long, for 16 times the tokens. One trip of the weights feeds all, until the arithmetic takes longer than the trip; from then on a step grows with the batch.", fmt(o.answer)),
        o.slow and "Without vector instructions there is hardly a wall to share: arithmetic is the limit from the first chat on." or "A CPU core runs out of arithmetic after a few chats. A GPU has hundreds of operations to spare for each byte, so there a step of 16 chats takes hardly longer than one.",
        view.table { columns = { "chats", "ms a step", "times the step", "times the tokens" }, rows = rows },
        how(o.t) .. part_of(o.t),
      })
    end,
    card = {
      front = "What does batching share, and until when is it nearly free?",
      back = "A batch shares the trip of the weights. More chats are nearly free until their arithmetic takes longer than the trip.",
      again = "Why is a second chat almost free on a GPU, and the thousandth is not?",
    },
    dives = { "speculative", "moe" }, links = { "kv-cache" },
  },

  predict {
    id = "ridge", title = "Where arithmetic takes over",
    ask = {
      "H100 NVL. With BF16 weights the arithmetic takes as long as the trip at a batch of 214. Now the weights have 4.125 bits and are unpacked to BF16 before they are multiplied.",
      "At which batch does arithmetic take over?",
    },
    number = { unit = "chats", scale = "log", within = "25 %", from = 1, to = 4096 },
    hints = {
      "Two times: the trip, and the multiplications. Which one became shorter, and by how much?",
      "They met at 214. The trip now takes 4.125/16 of its time.",
    },
    wrong = { 830, 214, 428 },
    knobs = {
      batch = { 55, from = 1, to = 1024, scale = "log", label = "chats", at = 1 },
      weights = { "4.125 bits", choices = { "4.125 bits", "8 bits, FP8 arithmetic" }, label = "weights", at = 2 },
    },
    compute = function(lab, knob)
      local eight = knob.weights ~= "4.125 bits"
      local bits, peak = eight and 8 or lab.quantize(lab.gaussian { rows = 16, cols = 4096 }, { format = "int4", scale = "group:128" }).bits_per_weight, eight and CARD.fp8 or CARD.bf16
      local function step(b, width, rate) return math.max(width / 8 / CARD.bandwidth, 2 * b / rate) end
      local x, bf16, few, lead = {}, {}, {}, {}
      for i = 0, 40 do
        local b = 2 ^ (i / 4)
        x[i + 1], bf16[i + 1], few[i + 1] = b, step(b, 16, CARD.bf16), step(b, bits, peak)
        lead[i + 1] = bf16[i + 1] / few[i + 1]
      end
      local b = knob.batch
      return { answer = peak / CARD.bandwidth * bits / 16, bits = bits, peak = peak, x = x, lead = lead, batch = b, eight = eight,
               few = { i = 2 * b / (bits / 8), s = 2 * b / step(b, bits, peak) }, bf16 = { i = b, s = 2 * b / step(b, 16, CARD.bf16) }, now = step(b, 16, CARD.bf16) / step(b, bits, peak) }
    end,
    reveal = function(o)
      local name = o.eight and "FP8" or "4.125 bits"
      return {
        view.roofline { roofs = { { label = "H100 NVL, BF16", bandwidth = CARD.bandwidth, peak = CARD.bf16, source = CARD_SOURCE }, o.eight and { label = "H100 NVL, FP8", bandwidth = CARD.bandwidth, peak = CARD.fp8, source = CARD_SOURCE } or nil },
          points = { { label = "BF16 weights", intensity = o.bf16.i, speed = o.bf16.s, role = "value" }, { label = name, intensity = o.few.i, speed = o.few.s, role = "outcome" } } },
        o.eight and "FP8 weights and FP8 arithmetic: the trip and the multiplications both take half as long, so they meet at the same batch, and the lead stays 2 throughout."
          or string.format("The trip is %s times shorter, the multiplications are not: they meet at %s. With few chats 4 bits lead by %s; beyond the BF16 ridge they lead by nothing, and in practice lose, since unpacking is extra.", fmt(16 / o.bits), fmt(math.floor(o.answer + 0.5)), fmt(o.lead[1])),
        view.plot { x = { label = "chats", scale = "log", from = 1, to = 1024 }, y = { label = "lead over BF16", from = 0 }, series = { { label = name, x = o.x, y = o.lead, role = "outcome" } }, refs = { { x = o.batch, label = fmt(o.batch) } } },
        string.format("At %s the lead is %s.", o.batch < 1.5 and "1 chat" or fmt(math.floor(o.batch + 0.5)) .. " chats", fmt(o.now)),
        view.note { title = "Kubernetes", text = "The scheduler counts cores and GiB, not GB a second. Two decoding pods on one node share one bus, and neither request says so." },
      }
    end,
    card = {
      front = "H100 NVL: with BF16 weights arithmetic takes over at 214 chats. At how many with 4.125-bit weights, multiplied in BF16?", answer = 55, within = "10 %",
      back = "With 4-bit weights arithmetic takes over four times earlier: the trip is shorter, the multiplications are not. H100 NVL: 55 instead of 214.",
      again = "Four times fewer bits a weight shorten the trip, not the multiplications. From which batch on does an H100 NVL (214 for BF16) gain less?",
    },
    dives = { "q4-prefill", "a100" }, links = { "quantization" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague says: \"nvidia-smi shows 100 %, so we need a card with more TFLOPS.\" What do you answer?",
    model = "That figure counts the time with any kernel running, not the arithmetic that is used. One chat does 1 operation for each byte, and the card could do 214 while that byte arrives. Fewer bytes help, or more chats that share the trip; TFLOPS help only beyond the batch where arithmetic takes over. So first compare the GB a second that we reach with what the card can read.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "gpu-100", title = "nvidia-smi shows 100 % GPU. Is that compute-bound?",
    "Not by itself. The figure is the share of time in which any kernel ran (NVML). A kernel that waits for memory counts in full. To tell, compare the bytes a second that your step reads with the card's bandwidth: near it, the card waits for memory.",
    compute = function(lab)
      local bytes = lab.weights { config = "qwen3.6-27b-fp8", format = "fp8" }.streamed_bytes
      return { bytes = bytes, most = CARD.bandwidth / bytes, busy = 100 * 77 * bytes / 3.35e12, flops = 100 * 77 * 2 * bytes / 1978.9e12 }
    end,
    reveal = function(o)
      return { string.format("An example, computed from a published figure: Qwen3.6-27B-FP8 at 77 tokens a second on an H100 SXM reads %s of its 3.35 TB a second and uses %s of its FP8 arithmetic.", percent(o.busy), percent(o.flops)),
               "77 tokens a second: janni.turunen.in, vLLM 0.21, one request; cited, not measured here." }
    end,
  },

  dive {
    id = "q4-prefill", title = "Why is prefill slower with Q4 than with F16?",
    "A prompt is a batch of hundreds of tokens. The trip of the weights is shared by all of them, so arithmetic is the limit, and unpacking 4-bit weights is extra arithmetic. llama.cpp's own table: 923 tokens a second with F16, 822 with Q4_K_M, while decode goes from 29 to 72. (tools/quantize/README.md, cited.)",
    compute = function(lab)
      local ridge = CARD.bf16 / CARD.bandwidth
      return { ridge = ridge, four = ridge * 4.125 / 16 }
    end,
    reveal = function(o) return { string.format("On an H100 NVL a prompt of 512 tokens is far beyond both ridges, %s and %s: there bytes no longer count.", fmt(math.floor(o.ridge + 0.5)), fmt(math.floor(o.four + 0.5))) } end,
  },

  dive {
    id = "always-faster", title = "Is an 8-bit or 4-bit model always faster?",
    "No. Fewer bytes help only where bytes are waited for, and only if the loop that unpacks them keeps up. Reports of quantized models that got slower fill the issue lists of bitsandbytes (6, 347, 490), vLLM (2268, 3399, 21266) and AutoAWQ (106): an unpacking that writes the weights back to memory, a batch that is limited by arithmetic, or a kernel that the card has no instructions for.",
    compute = function(lab)
      local slow = lab.machine().isa == "scalar"
      local t = lab.gemv { formats = { "fp32", "int4", "int4-naive" }, rows = slow and 1024 or nil, rounds = 5 }
      return { good = t[2].times, plain = t[3].times, part = part_of(t) }
    end,
    reveal = function(o) return { string.format("On one core here, measured now, against FP32: INT4 in vector instructions %s times the speed, INT4 in a plain loop %s times.", fmt(o.good), fmt(o.plain)) .. o.part } end,
  },

  dive {
    id = "where-dequant", title = "Does INT4 compute in INT4? Where is it dequantized?",
    "Weight-only INT4 (W4A16) does not compute in 4 bits. A tile of codes is loaded, unpacked to 16 bits in registers, multiplied there, and forgotten. Hopper has no INT4 arithmetic at all, so INT4 on an H100 always means that. Done apart from the product, the unpacked weights go back to memory, and the gain is lost twice.",
    compute = function(lab) return { packed = 4.125 / 8, fused = 4.125 / 8, apart = 4.125 / 8 + 2 + 2, bf16 = 2 } end,
    reveal = function(o)
      return { view.bars { title = "Bytes that pass through memory for each weight", unit = "B", bars = { { label = "BF16", value = o.bf16 }, { label = "INT4, unpacked inside", value = o.fused, role = "outcome" }, { label = "INT4, unpacked apart", value = o.apart } } },
               "Unpacked apart: the codes are read, 16 bits are written, 16 bits are read again." }
    end,
  },

  dive {
    id = "a100", title = "Will FP8 make my A100 twice as fast?",
    "No. Ampere has no FP8 arithmetic. vLLM runs FP8 checkpoints there as W8A16: weights are unpacked to 16 bits. Decode for few chats gains, because fewer bytes are read; prefill and large batches gain nothing. FP8 arithmetic begins with Ada (8.9) and Hopper (9.0).",
    compute = function(lab)
      local bandwidth, peak = 2.039e12, 312e12 -- A100 80 GB SXM, data sheet
      local rows = {}
      for i, b in ipairs { 1, 32, 128, 512 } do
        local bf16, fp8 = math.max(2 / bandwidth, 2 * b / peak), math.max(1 / bandwidth, 2 * b / peak)
        rows[i] = { fmt(b), fmt(bf16 / fp8) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "A100 80 GB SXM (data sheet): weights in FP8, arithmetic in BF16, at most", columns = { "chats", "times faster" }, rows = o.rows } } end,
  },

  dive {
    id = "cpu-limit", title = "Will a higher CPU limit make decode faster?",
    "Until the memory bus is full, and not beyond. One core often cannot fill it alone; a few can.",
    compute = function(lab)
      local one, all = lab.read { threads = 1 }, lab.read {}
      return { one = one, all = all }
    end,
    reveal = function(o)
      return { view.table { caption = "Reading memory, measured now", columns = { "threads", "GB a second" }, rows = { { "1", fmt(o.one.gb_per_s) }, { fmt(o.all.threads), fmt(o.all.gb_per_s) } } },
               string.format("%s times the threads, %s times the rate. In Kubernetes terms: CPU beyond that point is paid and idle.", fmt(o.all.threads), fmt(o.all.gb_per_s / o.one.gb_per_s)) }
    end,
  },

  dive {
    id = "speculative", title = "Why is speculative decoding faster, if nothing is skipped?",
    "A small model guesses a few tokens, the large one checks all of them in one trip of its weights. While the large one waits for memory, checking 4 tokens costs little more than 1. With many chats that slack is already used, and the gain goes away.",
    compute = function(lab)
      local slow = lab.machine().isa == "scalar"
      local t = lab.gemv { formats = { "fp32" }, batches = { 1, 4 }, rows = slow and 512 or nil, rounds = 7 }
      return { times = 1 / t[2].times }
    end,
    reveal = function(o) return { string.format("On one core here, measured now: 4 tokens in one trip take %s times as long as 1.", fmt(o.times)) } end,
  },

  dive {
    id = "moe", title = "Does a mixture-of-experts model read only the active experts?",
    "For one chat, yes: that is why such models decode fast for their size. Many chats choose different experts, so a batch reads most of them.",
    compute = function(lab)
      local u = lab.uniform { rows = 16, cols = 256 }
      local seen, count = {}, 0
      for row = 1, 16 do -- each chat takes the 8 experts with the largest of 256 numbers
        local list = {}
        for j = 1, 256 do list[j] = { x = u:at(row, j), j = j } end
        table.sort(list, function(a, b) return a.x > b.x end)
        for k = 1, 8 do
          if not seen[list[k].j] then seen[list[k].j] = true count = count + 1 end
        end
      end
      return { count = count, expected = 256 * (1 - (1 - 8 / 256) ^ 16) }
    end,
    reveal = function(o) return { string.format("16 chats that each pick 8 of 256 experts at random, drawn just now: %d different experts are read; %s are to be expected. Real routers prefer some experts, so somewhat fewer.", o.count, fmt(math.floor(o.expected + 0.5))) } end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "kv-cache", title = "What a conversation costs",
    "Each token leaves a key and a value in every layer that looks back.",
    "Bytes a token: 2, growing layers, key-value heads, head_dim, bytes a number.",
    "Windows, fixed states and shared vectors change the formula.",
    "The weights are shared by all chats, the cache is not." },
  link { lesson = "quantization", title = "The other lever",
    "Fewer bits a weight are fewer bytes a token.",
    "What stays 16 bits caps the gain.",
    "The same bits saved in the cache are room for more chats.",
    "The catch is who shares a scale." },
}
