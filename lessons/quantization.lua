-- The other lever: what fewer bits a number buy, and who pays.
-- Graded figures come from seeded tensors or from config arithmetic; timings stand beside them and are never graded.

local MODEL = "qwen3.6-27b-fp8"
local GIB = 2 ^ 30

-- H100 NVL. Memory as nvidia-smi prints it (95,830 MiB); the rest from the data sheet, without sparsity.
local CARD = { memory = 95830 * 2 ^ 20, bandwidth = 3.9e12, bf16 = 835e12, fp8 = 1671e12 }
local CARD_SOURCE = "H100 NVL data sheet, dense"

local TITLES = {
  bf16 = "BF16", fp8 = "FP8", fp16 = "FP16", e4m3 = "FP8 E4M3", e5m2 = "FP8 E5M2", int8 = "INT8", int4 = "INT4",
  ["int4-naive"] = "INT4, plain loop", fp4 = "FP4", e2m1 = "FP4 E2M1",
}

local function exact(x) return string.format("%.7g", x) end
local function gb(bytes) return string.format("%.2f GB", bytes / 1e9) end
local function gib(bytes) return string.format("%.1f GiB", bytes / GIB) end
local function percent(x) return fmt(x) .. " %" end
local function db(x) return string.format("%.1f dB", x) end

-- One decode step on the card: the longer of moving the bytes and doing the arithmetic, in seconds.
local function step_seconds(bytes, flops, peak) return math.max(bytes / CARD.bandwidth, flops / peak) end

-- The bytes of one token as a split bar.
local function traffic(label, w)
  local parts = { { label = "linear layers", value = w.linear_bytes / 1e9 },
                  { label = "LM head", value = w.head_bytes / 1e9, role = "limit" } }
  return { label = label, parts = parts }
end

-- A memory budget as a stack, in GiB.
local function budget(label, f)
  return { label = label, note = fmt(f.sequences) .. (f.sequences == 1 and " chat" or " chats"), parts = {
    { label = "weights", value = f.weights_bytes / GIB }, { label = "KV cache", value = f.kv_bytes / GIB, role = "outcome" },
    { label = "state", value = f.state_bytes / GIB, role = "limit" }, { label = "free", value = f.free_bytes / GIB, role = "plain" } } }
end

local function fit(lab, weights, kv_format, context)
  return lab.fit { config = MODEL, memory = CARD.memory, utilization = 0.9, weights = weights, kv_format = kv_format, context = context }
end

return lesson {
  id = "quantization", title = "The other lever", course_part = "B", minutes = 12,
  win = "say what fewer bits gain in speed and in memory, which numbers pay for it, and how to choose a format",
  sources = {
    "Qwen3.6-27B and Qwen3.6-27B-FP8: config.json and the index of the safetensors files",
    "NVIDIA H100 NVL data sheet; nvidia-smi for its memory",
    "arXiv:2411.02355, Give Me BF16 or Give Me Death? (ACL 2025)",
    "arXiv:2211.10438 SmoothQuant; arXiv:2306.00978 AWQ; arXiv:2210.17323 GPTQ; arXiv:2208.07339 LLM.int8()",
    "arXiv:2209.05433 FP8 Formats for Deep Learning; OCP 8-bit Floating Point Specification",
    "vLLM blog, 2026-04-22, FP8 KV cache; vllm issue 48786",
    "llama.cpp tools/quantize/README.md",
    "Crouch, Fagen, Callan and Mazur 2004, Am. J. Phys. 72:835",
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) for the real layer",
  },

  -- setup -----------------------------------------------------------------------------------------------------------

  part { id = "setup", title = "setup", core = true },

  predict {
    id = "weigh", title = "One weight, one byte",
    ask = {
      "A language model is a few billion numbers. Here is one of them, read off a kitchen scale:",
      view.prose { "237.4 g", big = true },
      "Two bytes (FP16, a floating-point number of 16 bits) hold it well. What does one byte give back (FP8, 8 bits, in the layout called E4M3)?",
    },
    place = { from = 200, to = 260, unit = "g", tick = 1, within = "tick" },
    hints = {
      "E4M3: 1 bit for the sign, 4 for the exponent (which power of two), 3 for the mantissa (the place between it and the next power).",
      "The weight lies between the powers 128 and 256. Three bits make 8 places there. How far apart are they?",
      "Count in those steps from 128, and take the place nearest to 237.4.",
    },
    wrong = { 237, 237.4, 238 },
    knobs = { value = { 237.4, from = 1, to = 500, scale = "log", label = "weight", unit = "g", at = 1 } },
    compute = function(lab, knob)
      local casts, rows = {}, {}
      for i, name in ipairs { "fp16", "bf16", "e4m3", "e5m2" } do
        local c = lab.cast(knob.value, name)
        casts[i] = c
        rows[i] = { label = TITLES[name], value = exact(c.value), bits = c.bits, lanes = c.lanes, step = exact(c.step) }
      end
      local reach = knob.value > 256 and 64 or knob.value / 8
      local from, to = knob.value - reach, knob.value + reach
      if knob.value >= 200 and knob.value <= 260 then from, to = 200, 260 end
      return { answer = casts[3].value, x = knob.value, casts = casts, rows = rows, from = from, to = to,
               values = lab.format("e4m3").values(from, to) }
    end,
    reveal = function(o)
      local fp16, bf16, e4m3, e5m2 = o.casts[1], o.casts[2], o.casts[3], o.casts[4]
      local below, above
      for _, v in ipairs(o.values) do
        if v <= o.x then below = v end
        if v > o.x and not above then above = v end
      end
      local why
      if e4m3.value == o.x then
        why = exact(o.x) .. " is one of E4M3's values, so nothing is lost here."
      elseif below and above then
        why = string.format("E4M3 has no value between %s and %s: its neighbors stand %s apart here, so %s snaps to %s.",
          exact(below), exact(above), exact(above - below), exact(o.x), exact(e4m3.value))
      else
        why = "E4M3 ends at 448: whatever is larger becomes 448."
      end
      return {
        view.grid { from = o.from, to = o.to, unit = "g", values = o.values,
                    marks = { { at = o.x, label = exact(o.x), role = "value" },
                              { at = e4m3.value, label = exact(e4m3.value), role = "outcome" } } },
        view.bits { rows = o.rows },
        why,
        fp16.value ~= o.x
          and string.format("Even FP16 misses: it stores %s. BF16, the 16 bits in which most models are published, trades mantissa for range and stores %s. E5M2 is the same trade in 8 bits and stores %s.",
            exact(fp16.value), exact(bf16.value), exact(e5m2.value))
          or string.format("FP16 holds this one exactly. BF16, the 16 bits in which most models are published, trades mantissa for range and stores %s. E5M2 is the same trade in 8 bits and stores %s.",
            exact(bf16.value), exact(e5m2.value)),
        "Quantization is this, billions of times: each number gets fewer bits and snaps to a coarser grid. What follows is about where such a miss does harm, and where it does none.",
        view.quote "The weights are measures in a recipe binder. With fewer digits each the binder is thin, the van that carries it to the kitchen has less to haul, and every spoon is slightly off.",
        view.note { title = "Why you guess first", text = "Students who only watched a demonstration understood it no better than those who never saw it; those who predicted first did (Crouch and others, 2004, in physics). A wrong guess works too: it is the answer you then look for." },
      }
    end,
    card = {
      front = "237.4 is stored in E4M3. What comes back, and why?",
      back = "237.4 comes back as 240. Three mantissa bits leave 8 places between 128 and 256, 16 apart: 224, 240, then 256.",
      again = "How far apart are E4M3's values just below 256, and what sets that distance?",
    },
    dives = { "e4m3-e5m2" }, links = { "grids" },
  },

  -- why faster ------------------------------------------------------------------------------------------------------

  part { id = "faster", title = "why is it faster", core = true },

  predict {
    id = "int4-speed", title = "INT4 weights: how much faster",
    ask = {
      "A model writes one token (a piece of a word) after the other; that phase is called decode. For each token it reads every weight once.",
      "Qwen3.6-27B is published in BF16, 16 bits a weight. Its linear layers, the big matrices, go to INT4: whole numbers from -7 to 7 in 4 bits, and one 16-bit scale for every 128 of them, 4.125 bits a weight in all. The LM head, the last matrix, which scores every word the model knows, stays BF16.",
      "How many times faster can decode be at most, for one chat?",
    },
    number = { unit = "times", scale = "log", within = "10 %", from = 1, to = 16 },
    hints = {
      "At most means: only the bytes count. How many bytes were read before, how many after?",
      "The head has 248,320 rows of 5,120 weights. The linear layers have about 24.3 billion weights.",
      "Write both sums in GB. One of the two terms does not shrink.",
    },
    wrong = { 4, 3.88, 2 },
    knobs = {
      batch = { 1, from = 1, to = 256, scale = "log", label = "chats at once", at = 1 },
      head = { "bf16", choices = { "bf16", "int4" }, label = "LM head", at = 2 },
      loop = { "vector", choices = { "vector", "plain too" }, label = "loops timed here", at = 3 },
    },
    compute = function(lab, knob)
      local before = lab.weights { config = MODEL, format = "bf16" }
      local after = lab.weights { config = MODEL, format = "int4", head = knob.head }
      local batch = math.floor(knob.batch + 0.5)
      local flops = before.streamed_bytes * batch -- two operations a weight, two bytes a weight
      local slow = step_seconds(before.streamed_bytes, flops, CARD.bf16)
      local fast = step_seconds(after.streamed_bytes, flops, CARD.bf16)
      local gemv
      if batch == 1 then
        local formats = { "fp16", "e4m3", "int8", "int4" }
        if knob.loop ~= "vector" then formats[5] = "int4-naive" end
        gemv = lab.gemv { formats = formats }
      end
      return { answer = slow / fast, before = before, after = after, gemv = gemv, flops = flops, slow = slow, fast = fast,
               batch = batch, head = knob.head }
    end,
    reveal = function(o)
      local b, a = o.before, o.after
      local blocks = { view.bars { title = "Bytes read for one token", unit = "GB",
                                   bars = { traffic("BF16", b), traffic("INT4 layers", a) } } }
      local function add(block) blocks[#blocks + 1] = block end
      if o.head == "bf16" then
        add(string.format("Four times would need every byte to shrink to a quarter. The head did not shrink: %s of the bytes before, %s now. What is left is %s of %s.",
          percent(100 * b.head_bytes / b.streamed_bytes), percent(100 * a.head_bytes / a.streamed_bytes),
          gb(a.streamed_bytes), gb(b.streamed_bytes)))
      else
        add(string.format("With the head in INT4 as well, %s of %s is left. The scales alone, 0.125 bits a weight, keep the gain under 4.",
          gb(a.streamed_bytes), gb(b.streamed_bytes)))
      end
      if o.batch > 1 then
        add(view.roofline { title = "H100 NVL, one decode step for " .. o.batch .. " chats",
          roofs = { { label = "H100 NVL, BF16", bandwidth = CARD.bandwidth, peak = CARD.bf16, source = CARD_SOURCE } },
          points = { { label = "BF16 weights", intensity = o.flops / b.streamed_bytes, speed = o.flops / o.slow },
                     { label = "INT4 weights", intensity = o.flops / a.streamed_bytes, speed = o.flops / o.fast, role = "outcome" } } })
        add(string.format("%d chats share one trip of the weights, so each byte meets %d times the arithmetic. From about %d chats on INT4 weights wait for arithmetic, BF16 weights only from %d: INT4 is unpacked to BF16 before it is multiplied. At %d chats %s.",
          o.batch, o.batch, math.floor(CARD.bf16 / CARD.bandwidth * a.streamed_bytes / b.streamed_bytes + 0.5),
          math.floor(CARD.bf16 / CARD.bandwidth + 0.5), o.batch,
          o.slow > 1.01 * o.fast and "INT4 is " .. fmt(o.slow / o.fast) .. " times faster" or "both take equally long"))
      else
        add(string.format("Why bytes? A token does 2 operations (FLOPs) with a weight of 2 bytes: 1 for each byte that arrives. In that time an H100 NVL could do %d (835 TFLOPS over 3.9 TB/s, data sheet, dense). The arithmetic waits for memory.",
          math.floor(CARD.bf16 / CARD.bandwidth + 0.5)))
        local bars, first, best, plain = {}, o.gemv[1], nil, nil
        for _, g in ipairs(o.gemv) do
          bars[#bars + 1] = { label = TITLES[g.format], value = g.seconds * 1e3, note = fmt(g.bytes / 2 ^ 20) .. " MiB" }
          if g.format == "int4" then best = g end
          if g.format == "int4-naive" then plain = g end
        end
        add(view.bars { title = "This machine: one large matrix times one vector, median time", unit = "ms", bars = bars })
        local ratio, bytes = first.seconds / best.seconds, first.bytes / best.bytes
        add(string.format("Measured beside it, not graded: here INT4 has %s times fewer bytes than FP16, and FP16 takes %s times as long. The nearer the two figures, the more this machine waits for memory alone; a gap between them is work that the loops themselves add.",
          fmt(bytes), fmt(ratio)))
        if plain then
          local part = plain.timed_rows < o.gemv.rows and string.format(" (It was timed on %d of %d rows, and its time scaled.)", plain.timed_rows, o.gemv.rows) or ""
          add(string.format("The plain loop unpacks one weight at a time. Same bytes, %s times the time: fewer bytes help only a loop that keeps up with memory.%s", fmt(plain.seconds / best.seconds), part))
        end
      end
      return blocks
    end,
    links = { "memory-wall" },
  },

  predict {
    id = "fp8-speed", title = "FP8 weights: how much faster",
    ask = {
      "The same model in FP8: one byte a weight in the linear layers, and one scale for each block of 128 x 128 weights, which is next to nothing. The LM head stays BF16.",
      "How many times faster than BF16 can decode be at most, for one chat?",
    },
    number = { unit = "times", scale = "linear", within = "3 %", from = 1, to = 4 },
    hints = {
      "If every byte were halved, the gain would be the ratio everybody quotes. What is not halved?",
      "Take the two terms of the step before: 48.7 GB of linear layers, 2.54 GB of head.",
    },
    wrong = { 2, 1.75 },
    knobs = { head = { "bf16", choices = { "bf16", "fp8" }, label = "LM head", at = 1 } },
    compute = function(lab, knob)
      local before = lab.weights { config = MODEL, format = "bf16" }
      local after = lab.weights { config = MODEL, format = "fp8", head = knob.head }
      return { answer = before.streamed_bytes / after.streamed_bytes, before = before, after = after, head = knob.head }
    end,
    reveal = function(o)
      local b, a = o.before, o.after
      local rate = function(w) return fmt(CARD.bandwidth / w.streamed_bytes) end
      return {
        view.bars { title = "Bytes read for one token", unit = "GB", bars = { traffic("BF16", b), traffic("FP8 layers", a) } },
        o.head == "bf16"
          and string.format("Halve every byte and you get 2, the figure usually quoted. The file's own list of tensors gives %s of %s, because the head (%s) and a few small tensors stay BF16. At 3.9 TB/s that is %s tokens a second at most instead of %s.",
            gb(a.streamed_bytes), gb(b.streamed_bytes), gb(a.head_bytes), rate(a), rate(b))
          or string.format("With the head in FP8 too the ceiling rises to %.3f times: %s of %s. Most published files keep it BF16: its errors go straight into the choice of the word.",
            o.answer, gb(a.streamed_bytes), gb(b.streamed_bytes)),
        "This is a ceiling. Reading the cache, starting kernels and choosing the word come on top, and measured gains stay below it:",
        view.table { caption = "Decode, measured elsewhere", columns = { "model", "fewer bytes", "faster" },
          rows = { { "Llama-3.1-8B, Q8_0 (8.5 bits)", "1.88 times", "1.75 times" },
                   { "Llama-3.1-8B, Q4_K_M (4.9 bits)", "3.27 times", "2.47 times" },
                   { "SmoothQuant, INT8", "2 times", "1.19 to 1.42" } },
          source = "llama.cpp tools/quantize/README.md; arXiv:2211.10438, table 7" },
        view.quote "The van comes once per dish and brings the whole binder. Thinner pages, shorter trips; the index at the back was never rewritten, so the trip does not quite halve.",
      }
    end,
    card = {
      front = "Why do fewer bits make decode faster, and what limits the gain?",
      back = "Decode reads every weight for each token and waits for those bytes, not for arithmetic. What stays BF16, such as the LM head, limits the gain: Qwen3.6-27B gets at most 1.9 times from FP8 and 3.4 times from INT4.",
      again = "FP8 halves a weight. Why is 2 times out of reach for Qwen3.6-27B's decode?",
    },
  },

  -- the KV cache ----------------------------------------------------------------------------------------------------

  part { id = "cache", title = "the KV cache", core = true },

  predict {
    id = "kv-token", title = "What one token leaves in the cache",
    ask = {
      "To write the next token, attention looks back at all earlier ones. For each of them a layer keeps two vectors, a key and a value, for every key-value head (a slice of the layer that looks back on its own). That is the KV cache. From the model's config.json:",
      view.code [[num_hidden_layers         64
full_attention_interval    4
num_attention_heads       24
num_key_value_heads        4
head_dim                 256]],
      "The cache is kept in BF16. How many KiB (1,024 bytes) does one more token add?",
    },
    number = { unit = "KiB", scale = "log", within = "5 %", from = 1, to = 4096 },
    hints = {
      "One layer: 2 vectors, for so many heads, of so many numbers, 2 bytes each.",
      "24 heads ask, but only the key-value heads are stored.",
      "full_attention_interval: 4 says that every fourth layer looks back at all tokens. What do the others keep?",
    },
    wrong = { 256, 128, 32, 384, 1536 },
    knobs = { kv = { "bf16", choices = { "bf16", "fp8" }, label = "cache format", at = 1 } },
    compute = function(lab, knob)
      local kv = lab.kv { config = MODEL, kv_format = knob.kv, context = 1, sequences = 1 }
      return { answer = kv.kv_bytes_per_token / 1024, kv = kv, format = knob.kv }
    end,
    reveal = function(o)
      local kv = o.kv
      local obvious = kv.obvious_bytes_per_token / 1024
      return {
        view.formula { title = "All 64 layers", terms = kv.obvious_terms, unit = "B", result = "a token" },
        view.formula { title = "Only the layers that grow", terms = kv.terms, unit = "B", result = "a token" },
        string.format("Count all 64 layers and you get %s KiB in %s. For this model that is four times too much: 48 layers use linear attention, which folds what it has read into a state of fixed size. Only %d layers keep every token.",
          fmt(obvious), TITLES[o.format], kv.kv_layers),
        string.format("The state costs %s MiB a chat, whether it holds one token or 262,144.", string.format("%.1f", kv.state_bytes_per_sequence / 2 ^ 20)),
        o.format == "bf16" and "An fp8 cache halves the bytes of a number: 32 KiB a token, where the obvious formula says 128."
          or "One byte a number instead of two: half of 64 KiB.",
        view.quote "Weights sit in binders, the cache on index cards that the tasters fill while they eat. Most tasters here rewrite one slate; every fourth adds a card for each bite.",
      }
    end,
    card = {
      front = "What do you multiply for the bytes that one token adds to the KV cache?",
      back = "2 (key and value), the layers whose cache grows, the key-value heads, head_dim, the bytes of a number. Count the layers that grow: 16 of 64 in Qwen3.6-27B, so 64 KiB in BF16 and not 256.",
      again = "Which factor makes the obvious KV formula four times too large for Qwen3.6-27B?",
    },
    links = { "kv-cache" },
  },

  predict {
    id = "chats", title = "How many chats fit",
    ask = {
      "An H100 NVL has 94 GB; the server may use 90 % of what nvidia-smi shows. With everything in BF16, the weights leave room for 15 chats of 32,768 tokens.",
      "Now FP8 weights and an fp8 cache. How many chats?",
    },
    number = { unit = "chats", scale = "linear", within = "10 %", from = 0, to = 100 },
    hints = {
      "Two things change: the room for caches, and the size of one cache.",
      "The checkpoint shrinks from 51.7 to 28.8 GiB, of 84.2 GiB in all.",
      "A chat was 2 GiB of cache and 0.14 GiB of fixed state. Which part does fp8 halve?",
    },
    wrong = { 15, 30, 25 },
    knobs = {
      context = { 32768, from = 4096, to = 262144, scale = "log", label = "tokens a chat", at = 1 },
      kv = { "fp8", choices = { "bf16", "fp8" }, label = "cache", at = 2 },
      weights = { "fp8", choices = { "bf16", "fp8" }, label = "weights", at = 3 },
    },
    compute = function(lab, knob)
      local context = math.floor(knob.context + 0.5)
      local now = fit(lab, knob.weights, knob.kv, context)
      return { answer = now.sequences, now = now, context = context, kv = knob.kv, weights = knob.weights,
               old = fit(lab, "bf16", "bf16", context), half = fit(lab, "fp8", "bf16", context), full = fit(lab, "fp8", "fp8", context),
               one = lab.kv { config = MODEL, kv_format = "fp8", context = context, sequences = 1 } }
    end,
    reveal = function(o)
      local rows = { budget("all BF16", o.old), budget("FP8 weights", o.half), budget("FP8 and fp8 KV", o.full) }
      if o.kv == "fp8" and o.weights == "bf16" then rows[4] = budget("fp8 KV only", o.now) end
      return {
        view.stack { title = "H100 NVL, 90 % of it, chats of " .. fmt(o.context) .. " tokens", unit = "GiB",
                     capacity = 0.9 * CARD.memory / GIB, rows = rows },
        string.format("Halving each chat alone would double the number. But FP8 weights first hand %s to the caches: %d chats become %d. Then the fp8 cache makes that %d.",
          gib(o.old.weights_bytes - o.half.weights_bytes), o.old.sequences, o.half.sequences, o.full.sequences),
        string.format("The second switch gives %s times%s: an fp8 chat is %s MiB of cache and %.1f MiB of state, and the state did not shrink.",
          fmt(o.full.sequences / math.max(o.half.sequences, 1)), o.full.sequences < 1.99 * o.half.sequences and ", not 2" or "",
          fmt((o.one.kv_bytes_total - o.one.state_bytes_per_sequence) / 2 ^ 20), o.one.state_bytes_per_sequence / 2 ^ 20),
        "An upper bound: activations and the server's own work memory take room too.",
        view.note { title = "Kubernetes", text = "A chat is a pod, the card a node, the KV room its allocatable memory. Smaller requests pack more pods on the node; the fixed state is an overhead per pod that no request can shrink." },
      }
    end,
    card = {
      front = "FP8 weights and an fp8 KV cache: why do more than twice as many chats fit, and what keeps each switch from its full factor?",
      back = "KV room is what the weights leave: FP8 weights enlarge it, the fp8 cache halves what a token takes from it. The fixed state a chat (146.8 MiB) does not shrink. 15, then 25, then 48 chats of 32k on 94 GB.",
      again = "Which two things set how many chats fit on one card?",
    },
    
  },

  -- the catch -------------------------------------------------------------------------------------------------------

  part { id = "catch", title = "the catch", core = true },

  predict {
    id = "zeros", title = "One in a thousand",
    ask = {
      "Numbers that share a scale share a grid. INT8 with one scale has 255 levels, evenly spaced from minus the largest value to plus the largest.",
      "The values are ordinary (a bell curve around 0), but one in 1,000 is 60 times larger: an outlier. What share of all values becomes exactly 0?",
    },
    number = { unit = "%", scale = "log", within = "25 %", from = 0.1, to = 100 },
    hints = {
      "One step is the largest value divided by 127.",
      "Among a million values a thousand are outliers; the largest of them is about 200 times an ordinary value. How wide is a step?",
      "Whatever lies within half a step of 0 becomes 0. How much of a bell curve is that?",
    },
    wrong = { 0.1, 1, 5 },
    knobs = {
      times = { 60, from = 1, to = 100, scale = "log", label = "outlier, times", at = 1 },
      scale = { "tensor", choices = { "tensor", "token", "channel", "group:128" }, label = "one scale a", at = 2 },
      format = { "int8", choices = { "int8", "e4m3" }, label = "format", at = 3 },
    },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 1024, cols = 1024, outliers = 0.001, times = knob.times }
      local real = lab.tensor "minilm/ffn_in"
      local function round(t) -- rows are tokens, columns channels
        return lab.quantize(knob.scale == "channel" and t:transposed() or t, { format = knob.format, scale = knob.scale })
      end
      local q, rq = round(x), round(real)
      local columns = real:columns()
      for i = 1, 3 do
        local tokens = 0
        for row = 1, real.rows do
          if math.abs(real:at(row, columns[i].index + 1)) > 3 * real.rms then tokens = tokens + 1 end
        end
        columns[i].tokens = tokens
      end
      table.sort(columns, function(a, b) return (a.tokens or 0) > (b.tokens or 0) end)
      return { answer = 100 * q.zero_fraction, x = x, q = q, real = real, rq = rq, columns = columns,
               times = knob.times, scale = knob.scale, format = knob.format }
    end,
    reveal = function(o)
      local step = o.q.step
      local columns = o.columns
      local marks = {}
      for i = 1, 3 do marks[i] = { at = columns[i].index, label = tostring(columns[i].index) } end
      local blocks = { view.hist { o.x, grid = o.q, from = -6, to = 6, bins = 64, title = "Ordinary values, before and after" } }
      if o.format == "int8" and o.scale == "tensor" then
        blocks[2] = string.format("The largest value is %s, so one step is %s%s. Everything within %s of 0 becomes 0.",
          fmt(o.x.amax), fmt(step), step > 0.8 and ", wider than most ordinary values are large" or "", fmt(step / 2))
      elseif o.format == "int8" then
        blocks[2] = string.format("With one scale a %s an outlier spoils only those who share its scale: %s of the values are 0 now.%s",
          o.scale == "group:128" and "group of 128" or o.scale, percent(o.answer), o.scale == "channel"
          and " (A product sums over channels, so a scale a channel cannot be applied after it; SmoothQuant moves it into the weights.)" or "")
      else
        blocks[2] = string.format("E4M3's steps grow with the value, so small ones keep small steps: %s of the values become 0.", percent(o.answer))
      end
      blocks[3] = view.heat { o.real, title = "A real tensor: what enters a feed-forward layer of MiniLM", row = "token", column = "feature", marks = marks }
      blocks[4] = string.format("These are activations, the numbers that travel between layers: a row is a token, a column a feature, also called a channel. Outlier channels tower over the rest: feature %d exceeds 3 times the typical size (rms) at %d of %d tokens, feature %d at %d, feature %d at %d. Rounded in the same way, %s of this tensor becomes 0.",
        columns[1].index, columns[1].tokens, o.real.rows, columns[2].index, columns[2].tokens, columns[3].index, columns[3].tokens,
        percent(100 * o.rq.zero_fraction))
      blocks[5] = view.quote "On a scale that must carry the flour sack, every spice weighs 0."
      return blocks
    end,
    links = { "scales" },
  },

  predict {
    id = "whose", title = "Whose error is it?",
    ask = {
      "Such values again: one in 1,000 is 60 times larger, INT8, one scale. Add up the squared rounding error of every value. Whose is it?",
    },
    choice = { { "ordinary", "Nearly all from the ordinary values" }, { "both", "About half from each" }, { "outlier", "Nearly all from the outliers" } },
    hints = {
      "How far can a value be from its nearest step, if it is huge? If it is small?",
      "Nobody is off by more than half a step. How many are ordinary, how many are outliers?",
    },
    wrong = { "both", "outlier" },
    knobs = { times = { 60, from = 1, to = 100, scale = "log", label = "outlier, times", at = 1 } },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 1024, cols = 1024, outliers = 0.001, times = knob.times }
      local int8 = lab.quantize(x, { format = "int8", scale = "tensor" })
      local e4m3 = lab.quantize(x, { format = "e4m3", scale = "tensor" })
      local curve = { peak = {}, int8 = {}, e4m3 = {} }
      local cross
      for i, times in ipairs { 1, 2, 3, 5, 8, 15, 30, 60, 100 } do
        lab.progress(i / 9, "outliers " .. times .. " times")
        local y = lab.gaussian { n = 2 ^ 18, outliers = 0.001, times = times }
        curve.peak[i] = y.amax / y.rms
        curve.int8[i] = lab.quantize(y, { format = "int8", scale = "tensor" }).sqnr_db
        curve.e4m3[i] = lab.quantize(y, { format = "e4m3", scale = "tensor" }).sqnr_db
        local ahead, was = curve.int8[i] - curve.e4m3[i], i > 1 and curve.int8[i - 1] - curve.e4m3[i - 1]
        if was and was > 0 and ahead <= 0 and not cross then
          cross = curve.peak[i - 1] * (curve.peak[i] / curve.peak[i - 1]) ^ (was / (was - ahead))
        end
      end
      return { share = int8.error_share(6), int8 = int8.sqnr_db, e4m3 = e4m3.sqnr_db, step = int8.step, amax = x.amax,
               curve = curve, cross = cross, times = knob.times, zeros = int8.zero_fraction }
    end,
    correct = function(o) return o.share > 0.9 and "ordinary" or o.share < 0.1 and "outlier" or "both" end,
    reveal = function(o)
      local share = 100 * o.share
      local blocks = {
        view.bars { title = "Squared error, INT8, one scale", unit = "%", to = 100, bars = {
          { label = "ordinary", value = share, role = "outcome" }, { label = "outliers", value = 100 - share } } },
        o.step > 0.5 and string.format("The usual story blames the outliers' own rounding. Under a shared scale it is the other way round: an outlier of %s is off by %s at most, hardly anything. An ordinary value of 0.5 may be off by all of itself, and there are 999 of those for each outlier.",
          fmt(o.amax), fmt(o.step / 2))
          or string.format("Outliers this small spoil nothing yet: a step is %s, so everybody's error is small, and most values are ordinary.", fmt(o.step)),
        view.plot { title = "Signal over error, as the outliers grow", x = { label = "largest value / typical size (rms)", scale = "log", from = 4, to = 100 },
          y = { label = "SQNR", unit = "dB", from = 10, to = 45 },
          series = { { label = "INT8", x = o.curve.peak, y = o.curve.int8, role = "outcome" }, { label = "E4M3", x = o.curve.peak, y = o.curve.e4m3 } },
          refs = o.cross and { { x = o.cross, label = "equal at " .. fmt(o.cross) } } or nil },
        "SQNR is the size of the signal over the size of its error, in decibels: 6 dB more halves the error, 20 dB more leaves a tenth.",
        string.format("Here INT8 has %s and E4M3 %s. INT8 has one step for all, E4M3 a step for each power of two, so a huge value costs its neighbors nothing.%s",
          db(o.int8), db(o.e4m3), o.cross and " They draw level where the largest value is " .. fmt(o.cross) .. " times the typical one." or ""),
        "Every good method is a strategy for this. Give a scale to fewer numbers (token, channel, group); move size from activations into weights (SmoothQuant); take outlier channels out (LLM.int8()); or let each value bring its own step (FP8).",
        view.quote "The sack weighs true; the spices beside it read 0. Saffron is the other danger: a pinch slightly off matters when the dish is made sixtyfold. Weights that meet large activations are saffron.",
      }
      return blocks
    end,
    card = {
      front = "One value in 1,000 is 60 times larger, INT8, one scale: who is damaged?",
      back = "The ordinary values are damaged. The outlier survives, its neighbors pay: more than half become 0, and 99.9 % of the squared error is theirs. Every good method is a strategy for that.",
      again = "Why do typical values vanish when one value in a thousand is huge?",
    },
    dives = { "awq-salient" }, links = { "outliers" },
  },

  -- does it hurt ----------------------------------------------------------------------------------------------------

  part { id = "hurt", title = "does it hurt", core = true },

  predict {
    id = "rank", title = "Who rounds best?",
    ask = {
      "A layer multiplies activations by weights. Six of its 512 input channels are 20 to 60 times larger than the rest. The activations stay exact; only the weights are rounded.",
      "Which output is nearest to the exact one?",
    },
    order = { first = "least error first",
      { "e4m3", "FP8 E4M3, one scale a channel" }, { "int8", "INT8, one scale a channel" },
      { "int4", "INT4, one scale for 128" }, { "fp4", "FP4 (E2M1), one scale for 16" } },
    hints = {
      "A channel of the weights is one row: all weights that make one output. Weights here form a bell curve without outliers.",
      "What do 8 bits buy: 255 even steps, or 8 places for each power of two? Where do most weights of a row lie?",
      "At 4 bits, who shares a scale matters: 128 weights or 16.",
    },
    wrong = { { "e4m3", "int8", "fp4", "int4" }, { "e4m3", "int8", "int4", "fp4" } },
    knobs = {
      group = { "128", choices = { "16", "32", "64", "128", "256" }, label = "INT4 group", at = 1 },
      alpha = { 0.5, from = 0, to = 1, step = 0.1, label = "SmoothQuant alpha", at = 2 },
    },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 256, cols = 512, channels = 6, channel_times = { 20, 60 } }
      local w = lab.gaussian { rows = 512, cols = 512, sigma = 0.02, stream = 1 }
      local layers = { { x = x, w = w }, { x = lab.tensor "minilm/ffn_in", w = lab.tensor "minilm/ffn_weight" } }
      local formats = {
        { id = "int8", format = "int8", scale = "channel", bits = "8.0 bits" },
        { id = "e4m3", format = "e4m3", scale = "channel", bits = "8.0 bits" },
        { id = "fp4", format = "e2m1", scale = "group:16" },
        { id = "int4", format = "int4", scale = "group:" .. knob.group },
      }
      local rounded = {}
      for l, layer in ipairs(layers) do
        rounded[l] = { weights = {}, both = {} }
        for i, f in ipairs(formats) do
          lab.progress((4 * l + i - 4) / 8, f.id)
          local weights = { format = f.format, scale = f.scale }
          local r = lab.linear { x = layer.x, w = layer.w, weights = weights }
          rounded[l].weights[i] = { id = f.id, db = r.output_sqnr_db, bits = r.bits_per_weight }
          if i <= 2 then
            local a = { format = f.format, scale = "token" }
            rounded[l].both[i] = lab.linear { x = layer.x, w = layer.w, weights = weights, activations = a }.output_sqnr_db
          end
        end
        rounded[l].smooth = lab.linear { x = layer.x, w = layer.w, weights = { format = "int8", scale = "channel" },
          activations = { format = "int8", scale = "token" }, smooth = knob.alpha }.output_sqnr_db
      end
      local ranked = { table.unpack(rounded[1].weights) }
      table.sort(ranked, function(a, b) return a.db > b.db end)
      local ids = {}
      for i, r in ipairs(ranked) do ids[i] = r.id end
      return { answer = ids, ranked = ranked, seeded = rounded[1], real = rounded[2], alpha = knob.alpha, group = knob.group }
    end,
    reveal = function(o)
      local names = { int8 = "INT8 weights", e4m3 = "FP8 weights", fp4 = "FP4 weights, 16", int4 = "INT4 weights, " .. o.group }
      local function bars(title, r)
        local list = {}
        for _, w in ipairs(r.weights) do
          list[#list + 1] = { label = names[w.id], value = w.db, note = string.format("%.4g bits a weight", w.bits) }
        end
        list[#list + 1] = { label = "INT8, both", value = r.both[1], role = "outcome" }
        list[#list + 1] = { label = "FP8, both", value = r.both[2], role = "outcome" }
        list[#list + 1] = { label = "INT8, both, smoothed", value = r.smooth, role = "outcome" }
        return view.bars { title = title, unit = "dB", bars = list }
      end
      local s = o.seeded
      local int8, fp8 = s.weights[1].db, s.weights[2].db
      return {
        bars("Output SQNR: only weights rounded, then both", s),
        string.format("Weights hardly have outliers, so INT8's 255 even steps beat E4M3's few dense ones: %s to %s.", db(int8), db(fp8)),
        s.both[1] < s.both[2]
          and string.format("Round the activations too, one scale a token (W8A8: 8 bits for weights, 8 for activations), and the order turns: INT8 %s, FP8 %s. Each token carries the six outlier channels; its other channels pay.", db(s.both[1]), db(s.both[2]))
          or string.format("Round the activations too, one scale a token (W8A8: 8 bits for weights, 8 for activations), and the lead melts: INT8 %s, FP8 %s. Each token carries the six outlier channels; its other channels pay.", db(s.both[1]), db(s.both[2])),
        string.format("SmoothQuant divides the large channels before rounding and multiplies the weights that meet them: the same product, easier numbers. INT8 reaches %s (alpha %.1f).", db(s.smooth), o.alpha),
        bars("A real layer: MiniLM", o.real),
        s.weights[3].db > s.weights[4].db
          and string.format("FP4 leads INT4 because each value shares its scale with 15 others and not with %d; it pays in scales, %s bits a weight against %s.",
            tonumber(o.group) - 1, exact(s.weights[3].bits), exact(s.weights[4].bits))
          or string.format("With groups of %s INT4 passes FP4: at equal scales even steps suit a bell curve better (%s bits a weight against %s).",
            o.group, exact(s.weights[4].bits), exact(s.weights[3].bits)),
      }
    end,
    dives = { "awq-salient" }, links = { "smoothquant" },
  },

  predict {
    id = "score", title = "What the benchmark says",
    ask = {
      "INT4 in groups of 128 leaves a layer's output about 11 % off (19 dB). A study measured Llama-3.1 models from 8B to 405B on two sets of benchmark tasks.",
      "With INT4 weights, what share of the BF16 model's score was left, on average?",
    },
    number = { unit = "%", scale = "linear", within = "1 point", from = 80, to = 102 },
    hints = {
      "Every layer is 11 % off. Would you expect 32 layers to add up, or errors in random directions to dilute?",
      "A benchmark counts whether the answer is right, not whether each number is.",
    },
    wrong = { 89, 95, 97 },
    answer = 99.36,
    source = "arXiv:2411.02355, average of all INT4 (W4A16) models and tasks",
    reveal = function()
      return {
        view.table { columns = { "rounded", "8B", "70B", "405B" },
          rows = { { "FP8 weights and activations", "99.3 / 101.2", "99.7 / 100.0", "100.1 / 99.9" },
                   { "INT8 weights and activations", "100.3 / 101.5", "99.9 / 97.3", "99.3 / 98.3" },
                   { "INT4 weights only", "98.7 / 96.1", "99.5 / 97.4", "100.0 / 98.9" } },
          caption = "Llama-3.1, % of BF16's score, Open LLM Leaderboard 1 / 2",
          source = "arXiv:2411.02355" },
        "Cited, not computed here: the average over all 8-bit models is 99.75 %, over INT4 99.36 %. Rounding errors point in all directions and partly cancel; the right answer usually stays the most likely one.",
        "The wording does change: the large quantized models share about seven words in ten with BF16's text (ROUGE-1 about 0.7). Small and distilled models lose more (a 1.5B reasoning model keeps 93.5 %), and so do contexts of 64k and more.",
        "INT8 is often said to lose 1 to 3 %. The figure comes from single tasks in this study, where INT8 meant GPTQ weights and a scale a token; SmoothQuant was used at 70B only. SmoothQuant's own paper loses 0.1 to 1.0 points.",
      }
    end,
    card = {
      front = "Output SQNR of a layer is 19 dB. What does that say about the model?",
      back = "Decibels of a layer say little about the model. They rank roundings of the same layer; only tasks rank models. INT4 weights, about 11 % off, kept 99.4 % of the score on average (arXiv:2411.02355), with different wording.",
      again = "Why is 11 % error in every layer not 11 % off the benchmark?",
    },
    links = { "quality" },
  },

  -- recall ----------------------------------------------------------------------------------------------------------

  part { id = "recall", title = "recall", core = true },

  recall {
    id = "two-wins", title = "Two wins",
    front = "Quantization wins twice while a model serves. Which bytes shrink, and what does each buy?",
    back = "Weights: fewer bytes to read for each token, so decode is faster, because it waits for memory. KV cache: fewer bytes a token of context, so more chats, or longer ones, fit beside the weights.",
    again = "Name the two kinds of bytes that a serving GPU hauls or holds, and what halving each is good for.",
  },

  -- part two: the map -----------------------------------------------------------------------------------------------

  part { id = "map", title = "the map" },

  fill {
    id = "formats", title = "The format map",
    ask = {
      "Fill in the map: what each recipe rounds (weights only, or activations too: both), what it does to quality, where you reach for it.",
      "W8A8 reads: 8 bits for weights, 8 for activations; W4A16: 4 for weights, activations stay 16. GPTQ and AWQ are two ways to choose the 4-bit codes; NVFP4 is FP4 with a scale for 16 values.",
    },
    columns = {
      { title = "Bits", choices = { "8", "4" } },
      { title = "Rounds", choices = { "weights", "both" } },
      { title = "Quality", choices = { "near lossless", "small loss", "needs care" } },
      { title = "Where", choices = { "Ada, H100 up", "older GPUs", "few chats", "Blackwell" } },
    },
    { "FP8 E4M3, W8A8", "8", "both", "near lossless", "Ada, H100 up" },
    { "INT8 SmoothQuant", "8", "both", "small loss", "older GPUs" },
    { "INT4 W4A16", "4", "weights", "small loss", "few chats" },
    { "FP4, NVFP4", "4", "both", "needs care", "Blackwell" },
    reveal = {
      "INT4 (by GPTQ or AWQ) is for few chats, short memory or small GPUs; INT8 runs wherever a GPU multiplies integers.",
      "The format of the KV cache is missing on purpose: it is a switch of its own (--kv-cache-dtype in vLLM) and goes with any row.",
      "Bits are the payload. Scales and what stays 16 bits come on top: this model's FP8 files have 8.9 bits a parameter, 4-bit files 4.1 to 4.9.",
      view.table { caption = "Runs as named from this compute capability on", columns = { "format", "capability" },
        rows = { { "W4A16, W8A8-INT8", "7.5 (Turing)" }, { "W8A8-FP8", "8.9 (Ada; H100 is 9.0)" }, { "NVFP4, MXFP4", "10.0 (Blackwell)" } },
        source = "llm-compressor documentation" },
      "On an A100 an FP8 file still loads, but its weights are unpacked to 16 bits before they are multiplied: memory is saved, arithmetic is not. H100 has no INT4 arithmetic either; INT4 there always means unpacking.",
    },
    links = { "gptq", "awq", "fp4" },
  },

  recall {
    id = "which", title = "INT4 or W8A8",
    front = "When weight-only INT4, and when W8A8 (FP8 or INT8)?",
    back = "INT4 weights when memory or bandwidth is short and few chats run at once: it moves the fewest weight bytes. W8A8 under heavy batching on a large GPU: there arithmetic is the limit, and 8-bit arithmetic runs at twice the rate, while INT4 must first be unpacked.",
    again = "One user on a small card, or 250 users on an H100: which format for which, and why?",
    links = { "choose" },
  },

  -- part two: Kubernetes --------------------------------------------------------------------------------------------

  part { id = "bridge", title = "in Kubernetes terms" },

  predict {
    id = "nvidia-smi", title = "nvidia-smi after the switch",
    ask = {
      "A vLLM deployment serves Qwen3.6-27B in BF16 on one H100 NVL with --gpu-memory-utilization 0.9, and nvidia-smi shows 84 GiB in use.",
      "You switch to the FP8 weights, 23 GiB smaller, and restart. What does nvidia-smi show?",
    },
    number = { unit = "GiB", scale = "linear", within = "5 %", from = 0, to = 94 },
    hints = {
      "What does the server do with memory that the weights leave?",
      "The option names a share of the card, not a size of the model.",
    },
    wrong = { 61, 42, 57 },
    knobs = { share = { 0.9, from = 0.6, to = 0.95, step = 0.05, label = "utilization", at = 1 } },
    compute = function(lab, knob)
      local function with(weights)
        return lab.fit { config = MODEL, memory = CARD.memory, utilization = knob.share, weights = weights, kv_format = "bf16", context = 32768 }
      end
      local before, after = with "bf16", with "fp8"
      local total = after.weights_bytes + after.kv_bytes + after.state_bytes + after.free_bytes
      return { answer = total / GIB, before = before, after = after, share = knob.share }
    end,
    reveal = function(o)
      local b, a = o.before, o.after
      return {
        view.stack { title = "What the server reserves, chats of 32,768 tokens", unit = "GiB", capacity = o.share * CARD.memory / GIB,
                     rows = { budget("BF16", b), budget("FP8", a) } },
        string.format("The same. At start the server takes its share of the card and makes KV cache of whatever the weights leave: %s for chats before, %s now. Look at the number of KV blocks in its log, not at nvidia-smi.",
          gib(CARD.memory * o.share - b.weights_bytes), gib(CARD.memory * o.share - a.weights_bytes)),
        view.note { title = "Kubernetes", text = "To the scheduler nothing changed: the pod still asks for nvidia.com/gpu: 1, and a whole GPU is what it gets. The saving appears one level down, where the server packs chats as a node packs pods: smaller requests, more of them. It becomes money when fewer replicas carry the same load, or a smaller card is enough." },
      }
    end,
    card = {
      front = "You switch a vLLM deployment to FP8 weights. How does nvidia-smi's figure change, and where is the gain?",
      back = "nvidia-smi's figure stays: the server reserves a fixed share of the card and gives the freed bytes to the KV cache. The gain is more KV blocks, so more chats at once, and fewer bytes a token.",
      again = "After a switch to FP8 the GPU is as full as before. Did it work?",
    },
    links = { "fit" },
  },

  -- part two: your cluster ------------------------------------------------------------------------------------------

  part { id = "cluster", title = "your cluster" },

  explore {
    id = "fits", title = "What truly fits",
    ask = {
      "The course's deployment quantizes twice: Qwen3.6-27B-FP8 with --kv-cache-dtype fp8, on one H100 NVL. Turn the knobs: which combinations need a second card?",
    },
    knobs = {
      card = { "H100 NVL 94", choices = { "L40S 48", "H100 SXM 80", "H100 NVL 94", "H200 141" }, label = "card, GB", at = 1 },
      weights = { "fp8", choices = { "bf16", "fp8" }, label = "weights", at = 2 },
      kv = { "fp8", choices = { "bf16", "fp8" }, label = "cache", at = 3 },
      context = { 32768, from = 4096, to = 262144, scale = "log", label = "tokens a chat", at = 4 },
    },
    compute = function(lab, knob)
      local memory = { ["L40S 48"] = 48e9, ["H100 SXM 80"] = 80e9, ["H100 NVL 94"] = CARD.memory, ["H200 141"] = 141e9 }
      local context = math.floor(knob.context + 0.5)
      local function with(weights, kv)
        return lab.fit { config = MODEL, memory = memory[knob.card], utilization = 0.9, weights = weights, kv_format = kv, context = context }
      end
      local file = lab.weights { config = MODEL, format = "fp8" }
      local bf16 = lab.weights { config = MODEL, format = "bf16" }
      return { now = with(knob.weights, knob.kv), plain = with("bf16", "bf16"), card = knob.card, room = 0.9 * memory[knob.card], context = context,
               file = file.checkpoint_bytes, bf16 = bf16.checkpoint_bytes, label = TITLES[knob.weights] .. ", " .. knob.kv .. " KV" }
    end,
    reveal = function(o)
      return {
        view.stack { title = o.card .. " GB, 90 % of it, chats of " .. fmt(o.context) .. " tokens", unit = "GiB", capacity = o.room / GIB,
                     rows = { budget("all BF16", o.plain), budget(o.label, o.now) } },
        o.now.sequences > 0
          and string.format("%s %s, so one card is enough and no tensor-parallel split is needed (each matrix cut across cards, which then talk after every layer).",
            fmt(o.now.sequences), o.now.sequences == 1 and "chat fits" or "chats fit")
          or "Nothing fits: the weights leave no room for one chat. Here you would need a tensor-parallel split (each matrix cut across cards, which then talk after every layer), a larger card, or fewer bits.",
        string.format("27 billion parameters times 1 and 2 bytes give 27 and 54 GB, often written as GiB, and with them goes the claim that FP8 is what makes this model fit on one H100. The files have %.2f and %.2f GiB: BF16 fits a 94 GB card too. FP8 buys room for chats there, and speed.", o.file / GIB, o.bf16 / GIB),
        "The FP8 files are more than 27 GB because embeddings, LM head, norms and the vision part stay BF16: 8.9 bits a parameter in all. And 94 GB is 93.6 GiB in nvidia-smi.",
      }
    end,
  },

  predict {
    id = "kv-gain", title = "What the fp8 cache does for speed",
    ask = {
      "FP8 weights, one chat of 32,768 tokens. For each new token the card reads the weights, that chat's cache, and its state. The cache goes from BF16 to fp8.",
      "How many percent faster is decode at most?",
    },
    number = { unit = "%", scale = "log", within = "25 %", from = 0.1, to = 100 },
    hints = {
      "26.9 GB of weights are read either way.",
      "The cache is 32,768 times 64 KiB before. How large is that beside the weights?",
    },
    wrong = { 100, 50, 14 },
    knobs = {
      context = { 32768, from = 4096, to = 262144, scale = "log", label = "tokens", at = 1 },
      chats = { 1, from = 1, to = 16, scale = "log", label = "chats at once", at = 2 },
    },
    compute = function(lab, knob)
      local context, chats = math.floor(knob.context + 0.5), math.floor(knob.chats + 0.5)
      local weights = lab.weights { config = MODEL, format = "fp8" }.streamed_bytes
      local function bytes(format, tokens, n)
        local kv = lab.kv { config = MODEL, kv_format = format, context = tokens, sequences = 1 }
        return weights + n * (kv.kv_bytes_per_token * tokens + 2 * kv.state_bytes_per_sequence) -- the state is read and written
      end
      local x, y = {}, {}
      for i = 0, 12 do
        x[i + 1] = 4096 * 2 ^ (i / 2)
        y[i + 1] = 100 * (bytes("bf16", x[i + 1], chats) / bytes("fp8", x[i + 1], chats) - 1)
      end
      return { answer = 100 * (bytes("bf16", context, chats) / bytes("fp8", context, chats) - 1), x = x, y = y, context = context, chats = chats,
               weights = weights, cache = chats * 65536 * context,
               obvious = 100 * ((weights + 4 * chats * 65536 * context) / (weights + 2 * chats * 65536 * context) - 1) }
    end,
    reveal = function(o, guess)
      return {
        view.plot { title = "Faster decode by an fp8 cache, at most", x = { label = "tokens a chat", scale = "log" }, y = { label = "faster", unit = "%" },
                    series = { { label = o.chats == 1 and "one chat" or o.chats .. " chats", x = o.x, y = o.y } }, refs = { { x = o.context, label = fmt(o.context) } } },
        string.format("The BF16 cache is %s beside %s of weights. %s", gb(o.cache), gb(o.weights),
          o.cache < 0.3 * o.weights and "Halving the smaller of the two does little, until the context is long or many chats share the weights."
          or "Now it is a good part of what is read, and halving it counts."),
        string.format("By the obvious KV formula, four times too large for this model, one would expect %s.", percent(o.obvious)),
        "For one chat the fp8 cache is first of all room for more of them. Turn the knobs to see where it is speed as well: at 262,144 tokens, and with 16 chats earlier.",
      }
    end,
    card = {
      front = "One chat of 32k on FP8 weights: what does an fp8 cache do for Qwen3.6-27B's decode speed?",
      back = "For one chat an fp8 cache brings little, about 4 % at most: the cache is 2 GB beside 27 GB of weights. It counts when contexts are long or many chats share the weights.",
      again = "When does halving the KV cache speed decode, and when does it only make room?",
    },
    links = { "kv-quant" },
  },

  read {
    id = "prefill", title = "Prefill, and what to measure",
    "Prefill is the other phase: the model reads a prompt, hundreds or thousands of tokens in one trip of the weights. Each byte then meets so much arithmetic that FLOPs are the limit, and FP8 tensor cores (the GPU's matrix units) do twice as many a second as BF16:",
    view.table { columns = { "H100 NVL, TFLOPS", "BF16", "FP8", "ratio" },
      rows = { { "data sheet headline (sparse)", "1,671", "3,341", "2.0" }, { "dense", "835", "1,671", "2.0" } },
      source = "NVIDIA H100 NVL data sheet" },
    "The headline counts 2:4 sparsity, matrices with two zeros in every four values. Language models are rarely pruned so; plan with the dense row. The ratio survives, so prefill gains as well, where weight-only formats do not: llama.cpp measured F16 fastest at prefill (923 tokens a second, against 822 for Q4_K_M).",
    "One caveat for this model: its head_dim is 256. On H100 the FP8 tensor core adds up in fewer bits than FP32, so attention kernels move partial sums to FP32 at short intervals. That costs registers (the core's own fast storage), and a head of 256 leaves none to spare.",
    view.table { caption = "fp8 cache against BF16 cache, H100, head_dim 256, measured elsewhere", columns = { "case", "result" },
      rows = { { "Gemma-4-E2B: prefill, quadratic term", "1.6 times slower" },
               { "Gemma-4-E2B: decode, time a token of context", "0.68 of BF16's" },
               { "Qwen3.5-35B-A3B: 8,192 in, 128 out, in all", "3.7 % slower" } },
      source = "vLLM blog 2026-04-22; vllm issue 48786" },
    "Measure it on your own prompts: start the server once with --kv-cache-dtype auto and once with fp8, and send the same load to both.",
    view.code { text = [[vllm serve Qwen/Qwen3.6-27B-FP8 --kv-cache-dtype fp8

vllm bench serve --model Qwen/Qwen3.6-27B-FP8 --dataset-name random \
  --random-input-len 32768 --random-output-len 256 \
  --max-concurrency 1 --num-prompts 20]], caption = "repeat with input lengths 2048, 8192 and 32768" },
    "Compare TTFT, the time to the first token: that is prefill. Then TPOT, the time per token after it: that is decode. If TTFT grows faster with the prompt's length under fp8, long prompts pay for the extra chats.",
    dives = { "rerankers" }, links = { "fp8", "embeddings" },
  },

  explore {
    id = "here", title = "The caveat, timed here",
    ask = { "Attention alone, as this model has it: 24 query heads on 4 heads of 256, over a BF16 cache and an fp8 one. Which of decode and prefill gains?" },
    knobs = {
      context = { 131072, from = 8192, to = 262144, scale = "log", label = "tokens looked back at", at = 1 },
      prompt = { 8192, from = 1024, to = 16384, scale = "log", label = "tokens of the prompt", at = 2 },
    },
    compute = function(lab, knob)
      local context, prompt = math.floor(knob.context + 0.5), math.floor(knob.prompt + 0.5)
      local card = lab.machine().gpu
      if not card then return { context = context, prompt = prompt } end
      local function case(name, format, tokens, prefill)
        return { name = name, format = format, tokens = tokens, prefill = prefill, heads = 24, kv_heads = 4, head_dim = 256 }
      end
      local t = lab.attention { device = "cuda", rounds = 7, cases = {
        case("decode, BF16 cache", "bf16", context), case("decode, fp8 cache", "e4m3", context),
        case("prefill, BF16 cache", "bf16", prompt, true), case("prefill, fp8 cache", "e4m3", prompt, true) } }
      local ms = {}
      for i = 1, 4 do ms[i] = 1000 * t[i].seconds end
      return { card = card, ms = ms, context = context, prompt = prompt }
    end,
    reveal = function(o)
      local caution = "These are Saffron's own kernels, which widen fp8 to 16 bits before they multiply; a serving engine's may multiply in FP8 and pay with registers instead. The direction is the same, the sizes are not: measure your server."
      if not o.card then
        return {
          "No GPU is in use here, so nothing was timed. Where there is one, start this lesson with --device cuda, or see all formats with:",
          view.code { text = "saffron bench --device cuda --only attention\nsaffron bench --device cuda --only prefill" },
          view.table { caption = "Time with an fp8 cache, of that with BF16, head_dim 256", columns = { "H200, Saffron's kernels", "of BF16's time" },
            rows = { { "decode, 131,072 tokens", "0.60" }, { "prefill, 8,192 tokens", "1.15" } }, source = "Saffron's README, measurements of 2026-11-24" },
          caution,
        }
      end
      local decode, prefill = o.ms[2] / o.ms[1], o.ms[4] / o.ms[3]
      return {
        view.bars { title = "One layer's attention, time with an fp8 cache", unit = "% of BF16", bars = {
          { label = "decode, " .. fmt(o.context) .. " tokens", value = 100 * decode, role = "outcome", note = string.format("%s ms, BF16 %s ms", fmt(o.ms[2]), fmt(o.ms[1])) },
          { label = "prefill of " .. fmt(o.prompt), value = 100 * prefill, note = string.format("%s ms, BF16 %s ms", fmt(o.ms[4]), fmt(o.ms[3])) } } },
        string.format("On %s: decode takes %s of the time, because it reads half the bytes. Prefill takes %s: it waits for arithmetic, and fp8 adds the work of widening.",
          o.card, percent(100 * decode), percent(100 * prefill)),
        caution,
      }
    end,
  },

  -- part two: in your words -----------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = { "A colleague asks why you serve the FP8 model. Finish the sentence, in two or three of your own: \"FP8 costs us next to nothing, because ...\" Then say what it does cost." },
    model = "... decode waits for bytes, not for arithmetic: FP8 weights and an fp8 cache read and hold about half as many, so tokens come up to 1.9 times faster and 48 chats fit where 15 did, and benchmarks keep 99 % or more of their score. It works because the method guards what a shared scale would ruin, the ordinary values beside an outlier and the weights that meet large activations. It does cost something: what stays BF16 and the fixed state of a chat cap the gain, prefill may get slower with an fp8 cache at head_dim 256, the wording of answers changes, and at 4 bits small models and long contexts lose more. So we measure our own prompts.",
  },

  recall {
    id = "closing", title = "The grid, the sack and the saffron",
    front = "From memory: what does a coarser grid do to 237.4? Which values does a flour sack on the scale erase? Which weights are the saffron?",
    back = "E4M3 has 224, 240, 256 there, so 237.4 becomes 240. The sack is an outlier under a shared scale: it survives and the ordinary values become 0. Saffron are the weights that meet large activations: there a small error is multiplied.",
    again = "Grid, sack, saffron: say for each which error it stands for and one method against it.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "e4m3-e5m2", title = "E4M3 or E5M2?",
    "Both are FP8: one bit for the sign and seven to share. E4M3 gives 4 to the exponent and 3 to the mantissa, E5M2 5 and 2.",
    view.bits { rows = {
      { label = "E4M3, 237.4", value = "240", bits = "01110111", lanes = { 1, 4, 3 }, step = "16" },
      { label = "E5M2, 237.4", value = "224", bits = "01011011", lanes = { 1, 5, 2 }, step = "32" },
      { label = "E4M3, largest", value = "448", bits = "01111110", lanes = { 1, 4, 3 }, step = "32" },
      { label = "E5M2, largest", value = "57344", bits = "01111011", lanes = { 1, 5, 2 }, step = "8192" } } },
    "Between two powers of two E4M3 has 8 places, E5M2 has 4: one mantissa bit less doubles the step, which costs about 6 dB. In return E5M2 reaches 57,344 and down to 2^-16; E4M3 reaches 448 and down to 2^-9.",
    "Why 448 and not 480? The pattern 1111.111 would be 480, but E4M3 uses it for NaN (not a number), and gives up infinity. E5M2 keeps infinity and NaN as larger formats do.",
    "Weights and activations are scaled so that the largest fits; then only precision counts, and E4M3 is taken. Gradients in training span many powers of two, and E5M2 is taken. For an fp8 KV cache vLLM's plain fp8 is E4M3.",
    "Same bits, other value: AMD's MI300X uses E4M3FNUZ with a shifted exponent, largest value 240. A file for one read as the other is off by a factor of 2.",
    "What becomes of a value beyond the end is a policy, not a property: saturating casts give 448, others NaN. (OCP FP8 specification; arXiv:2209.05433.)",
  },

  dive {
    id = "awq-salient", title = "How does AWQ find the salient channels?",
    "By the inputs, not by the weights. AWQ runs a little text through the model and notes the mean size of each input channel. The weights that meet a large channel are the salient ones: their errors are multiplied by large numbers.",
    "The often quoted 1 % is the experiment that led there, not the method. INT3 ruins OPT-6.7B; keep 1 % of the weight columns in FP16, and it depends on which:",
    view.table { columns = { "OPT-6.7B, INT3, g128", "perplexity" },
      rows = { { "FP16", "10.86" }, { "all columns INT3", "23.54" }, { "1 % kept, largest inputs", "11.39" }, { "1 % kept, largest weights", "22.37" } },
      caption = "Perplexity: how surprised the model is by real text; lower is better.", source = "arXiv:2306.00978, table 1" },
    "But a matrix of two formats is slow, so AWQ keeps nothing in FP16 and selects nobody. Each weight column is multiplied by s before rounding and its input divided by s: the same product. A column that has grown is rounded more finely, measured against its size; the others in its group pay a little.",
    "The factor is s = (mean size of the channel)^alpha. With alpha 0.35, weights that meet a channel 40 times larger than usual are multiplied by 3.6 before rounding.",
    "alpha is tried from 0 to 0.95 in steps of 0.05, and the one with the least error in the block's output wins. At 0 nothing moves; near 1 the neighbors pay too much. SmoothQuant's factor also looks at the weights; AWQ's does not.",
    view.quote "AWQ buys no finer scale for the saffron. It writes down the amount for several dishes, rounds that, and lets the cook divide.",
  },

  dive {
    id = "rerankers", title = "Should I quantize rerankers and embedding models?",
    "Three different things carry the word. Stored vectors, the index of a search: quantize them first. In int8 they take a quarter of the bytes, and with a second look at the top hits (rescoring) about 99 % of the retrieval score stays; one bit a value is a thirty-second of the bytes and keeps 75 to 96 %, by model.",
    "The embedding model: 8 bits lose little (published examples 0.4 to 1 %), and 4-bit weights of larger ones about 0.7 %. Worth it if the memory is wanted for the language model. Some need SmoothQuant for INT8: they have outlier channels too.",
    "The reranker: it reads a query with a document and gives one score. Rankings survive 8 bits, scores move; a threshold on the score must be set again.",
    "Do not expect decode's gain. Rerankers and embedding models only prefill, so arithmetic is the limit: formats help where your card multiplies them faster (FP8 on Hopper, INT8 on Turing to Ada, FP4 on Blackwell), and weight-only formats do not.",
    "The evidence is mostly model cards, not papers. Test on your own queries, with a confidence interval. (Hugging Face blog, embedding-quantization, for the vectors; model cards for the rest.)",
  },

  -- lessons that are still to come ----------------------------------------------------------------------------------

  link { lesson = "grids", title = "Bits and grids",
    "A number format is a grid: a list of the values it can hold.",
    "Floating point places them densely near 0 and doubles the gap at each power of two.",
    "Integers with a scale place them evenly.",
    "Casting snaps to the nearest; the miss is at most half the gap there." },
  link { lesson = "memory-wall", title = "Why decode waits for memory",
    "One token uses each weight once: two operations for each weight read.",
    "A GPU can do hundreds of operations while one byte arrives.",
    "So for few chats speed is bandwidth over bytes.",
    "More chats share the trip, until arithmetic becomes the limit." },
  link { lesson = "kv-cache", title = "What a conversation costs",
    "Each token leaves a key and a value in every layer that looks back.",
    "Bytes a token: 2, growing layers, key-value heads, head_dim, bytes a number.",
    "Windows, fixed states and shared vectors change the formula.",
    "The weights are shared by all chats, the cache is not." },
  link { lesson = "scales", title = "One scale for how many numbers?",
    "A scale stretches a format's grid over the numbers that share it.",
    "The largest of them sets the step for all.",
    "Fewer sharers mean less error and more scales to store.",
    "128 weights with a 16-bit scale cost an eighth of a bit each." },
  link { lesson = "outliers", title = "The flour sack and the saffron",
    "Large activations sit in few channels, at nearly every token.",
    "A scale for each token does not part them from the rest.",
    "Clipping them ruins the output: they are signal.",
    "Weights that meet them carry nearly all of the output's error." },
  link { lesson = "smoothquant", title = "Move the difficulty",
    "Divide a large activation channel by s, multiply its weights by s.",
    "The product stays the same; both sides become easier to round.",
    "How much of the range moves is set by alpha.",
    "The division is folded into the norm before the layer." },
  link { lesson = "gptq", title = "Let the other weights make up for it",
    "Weights are rounded column by column.",
    "Each error is paid back by the columns not yet rounded.",
    "How much, is read from calibration text.",
    "Weight error grows, output error falls." },
  link { lesson = "awq", title = "Which channels are salient?",
    "Weights that meet large inputs matter most.",
    "AWQ multiplies their columns before rounding and divides the input.",
    "Nothing stays FP16.",
    "The exponent is searched, for the least output error." },
  link { lesson = "fp8", title = "W8A8 with floating point",
    "E4M3 for weights and activations, E5M2 for gradients.",
    "Each value brings its own step, so outliers do little harm.",
    "Scales are static, from calibration, or dynamic, from each token.",
    "Accumulators need more bits than the products." },
  link { lesson = "fp4", title = "Sixteen values",
    "E2M1 has 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.",
    "NVFP4 gives every 16 values a scale in E4M3, and the tensor one in FP32.",
    "MXFP4 gives every 32 a power of two.",
    "Only hardware with FP4 arithmetic makes it fast." },
  link { lesson = "kv-quant", title = "Cheaper memory of the conversation",
    "Keys have outlier channels, values do not.",
    "So keys take a scale a channel, values a scale a token.",
    "\"2 bits\" with their scales are 3 or more.",
    "An fp8 cache is the plain default." },
  link { lesson = "quality", title = "Does it hurt?",
    "Perplexity, KL divergence and top-word agreement disagree.",
    "Agreement moves before the benchmark does.",
    "Errors of a layer dilute in the residual stream.",
    "Judge on your own task, with an interval." },
  link { lesson = "fit", title = "Your cluster",
    "Weights, caches, states and activations share the card.",
    "Count what grows with chats and what with tokens.",
    "Fewer bits can replace a second card.",
    "GB on the box are fewer GiB in nvidia-smi." },
  link { lesson = "choose", title = "Which format, when?",
    "First ask what is short: memory, bandwidth or arithmetic.",
    "Few chats: fewest weight bytes.",
    "Many chats: fastest arithmetic your card has.",
    "Then the evidence for your model and task." },
  link { lesson = "embeddings", title = "Vectors, embedding models, rerankers",
    "Stored vectors, the model that makes them, the model that reranks.",
    "Vectors first: int8 is nearly free with rescoring.",
    "The models only prefill, so fewer bytes do not speed them up.",
    "Thresholds on scores must be set again." },
}
