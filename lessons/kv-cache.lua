-- What a conversation costs: bytes of the KV cache, from the lines of a config.json.
-- Memory is exact arithmetic by the same code as `saffron kv`; one step is timed on this machine.

local KIB, MIB, GIB = 2 ^ 10, 2 ^ 20, 2 ^ 30
local CARD = { memory = 95830 * MIB, bandwidth = 3.9e12 } -- H100 NVL: nvidia-smi, data sheet

local MODELS = {
  { id = "llama-2-7b", title = "Llama-2-7B", params = "7B" },
  { id = "llama-3.1-8b", title = "Llama-3.1-8B", params = "8B" },
  { id = "qwen3.6-27b-fp8", title = "Qwen3.6-27B", params = "27B" },
  { id = "gemma-3-27b", title = "Gemma-3-27B", params = "27B" },
  { id = "gpt-oss-20b", title = "gpt-oss-20b", params = "21B" },
  { id = "deepseek-v3", title = "DeepSeek-V3", params = "671B" },
}
local TITLE = {}
for _, m in ipairs(MODELS) do TITLE[m.id] = m.title end

local function kib(bytes) return fmt(bytes / KIB) .. " KiB" end
local function mib(bytes) return string.format("%.1f MiB", bytes / MIB) end
local function gib(bytes) return string.format("%.3g GiB", bytes / GIB) end
local function gb(bytes) return string.format("%.2f GB", bytes / 1e9) end
local function percent(x) return fmt(x) .. " %" end

local function kv(lab, config, context, format)
  return lab.kv { config = config, kv_format = format or "bf16", context = math.max(1, math.floor(context + 0.5)), sequences = 1 }
end

-- Which layers keep every token, as a strip: bright grows, dim keeps a window or a state.
local function strip(lab, config)
  local list = {}
  for i, kind in ipairs(kv(lab, config, 1).layer_kinds) do list[i] = kind == "full" and 1 or 0.02 end
  return lab.values(list)
end

return lesson {
  id = "kv-cache", title = "What a conversation costs", course_part = "A", minutes = 14, needs = { "memory-wall" },
  win = "say from any config.json what one more token and one more chat cost",
  sources = {
    "config.json of Llama-2-7B, Llama-3.1-8B, Qwen3.6-27B, Gemma-3-27B, gpt-oss-20b and DeepSeek-V3",
    "vLLM documentation, hybrid KV cache manager",
    "DeepSeek FlashMLA, kernel deep dive; DeepSeek-V3 report (multi-head latent attention)",
    "NVIDIA H100 NVL data sheet; nvidia-smi for its memory",
  },

  -- a token ---------------------------------------------------------------------------------------------------------

  part { id = "a-token", title = "a token", core = true },

  read {
    id = "setting", title = "What looking back costs",
    "To write a token, a model looks back at all earlier ones. For each of them a layer keeps two vectors, a key and a value. That is the KV cache.",
    "The cache belongs to one chat and grows with it. The weights are shared by all chats and do not grow. So memory has a fixed part and a part that you must be able to predict.",
    view.quote "The recipe binders stand on the shelf once. Each table of tasters fills index cards of its own while it eats.",
  },

  predict {
    id = "token", title = "One more token",
    ask = {
      "From the config.json of Llama-3.1-8B:",
      view.code [[num_hidden_layers      32
num_attention_heads    32
num_key_value_heads     8
head_dim              128]],
      "A token is about 4 bytes of text. The cache is BF16, 2 bytes a number. How many KiB (1,024 bytes) does one more token add?",
    },
    number = { unit = "KiB", scale = "log", within = "5 %", from = 1, to = 4096 },
    hints = {
      "One layer keeps 2 vectors: a key and a value.",
      "Each is as long as the heads that are stored, times head_dim. Whose heads are stored: those that ask, or those that are looked at?",
      "Multiply: 2, the layers, the key-value heads, head_dim, the bytes of a number.",
    },
    wrong = { 512, 64, 4, 32 },
    knobs = {
      model = { "llama-3.1-8b", choices = { "llama-2-7b", "llama-3.1-8b", "qwen3.6-27b-fp8", "gpt-oss-20b" }, label = "model", at = 1 },
      format = { "bf16", choices = { "bf16", "fp8" }, label = "cache", at = 2 },
    },
    compute = function(lab, knob)
      local now, dense = kv(lab, knob.model, 1, knob.format), kv(lab, "llama-2-7b", 1, knob.format)
      local c = lab.config(knob.model)
      c = c.text_config or c
      return { answer = now.kv_bytes_per_token / KIB, kv = now, dense = dense.kv_bytes_per_token, model = knob.model, share = c.num_attention_heads / c.num_key_value_heads }
    end,
    reveal = function(o)
      local bytes = o.kv.kv_bytes_per_token
      return {
        view.formula { title = TITLE[o.model], terms = o.kv.terms, unit = "B", result = "a token" },
        string.format("4 bytes of text leave %s in the cache, about %s times as much.", kib(bytes), fmt(math.floor(bytes / 4 / 100 + 0.5) * 100)),
        o.share > 1 and string.format("%s query heads share one key and one value here (grouped queries). Llama-2-7B shares none and pays %s.", fmt(o.share), kib(o.dense))
          or "Here every query head has a key and a value of its own.",
        view.note { title = "With your own model", text = "saffron kv CONFIG.json prints this for any config.json, with --kv-format, --context and --sequences." },
      }
    end,
    card = {
      front = "What do you multiply for the bytes that one token adds to the KV cache?",
      back = "Bytes a token are 2 (key and value), times the layers whose cache grows, the key-value heads, head_dim, the bytes of a number. Llama-3.1-8B: 128 KiB in BF16.",
      again = "A model has 32 attention heads and 8 key-value heads. Which of them sizes the cache?",
    },
  },

  predict {
    id = "rank", title = "The largest model, the largest cache?",
    ask = "One chat of 131,072 tokens, BF16 cache. Which model keeps most? The numbers are parameters.",
    order = { first = "largest cache first",
      { "llama-3.1-8b", "Llama-3.1-8B" }, { "gpt-oss-20b", "gpt-oss-20b" },
      { "gemma-3-27b", "Gemma-3-27B" }, { "deepseek-v3", "DeepSeek-V3, 671B" } },
    hints = {
      "Which factor of the formula counts the parameters?",
      "Does each layer look back all the way? Does each head have a key of its own?",
    },
    wrong = { { "deepseek-v3", "gemma-3-27b", "gpt-oss-20b", "llama-3.1-8b" }, { "llama-3.1-8b", "gpt-oss-20b", "gemma-3-27b", "deepseek-v3" } },
    knobs = {
      context = { 131072, from = 1024, to = 131072, scale = "log", label = "tokens", at = 1 },
      format = { "bf16", choices = { "bf16", "fp8" }, label = "cache", at = 2 },
    },
    compute = function(lab, knob)
      local list, all = {}, {}
      for _, m in ipairs(MODELS) do
        local k = kv(lab, m.id, knob.context, knob.format)
        local entry = { id = m.id, title = m.title, params = m.params, bytes = k.kv_bytes_total, strip = strip(lab, m.id), grow = k.kv_layers, layers = k.layers }
        all[#all + 1] = entry
        if m.id ~= "llama-2-7b" and m.id ~= "qwen3.6-27b-fp8" then list[#list + 1] = entry end
      end
      table.sort(list, function(a, b) return a.bytes > b.bytes end)
      local ids = {}
      for i, e in ipairs(list) do ids[i] = e.id end
      return { answer = ids, list = list, all = all, context = math.floor(knob.context + 0.5) }
    end,
    reveal = function(o)
      local bars, maps = {}, {}
      for i, e in ipairs(o.list) do
        bars[i] = { label = e.title, value = e.bytes / GIB, note = e.params .. " parameters", role = "outcome" }
        maps[i] = { e.strip, label = e.title, note = string.format("%d of %d", e.grow, e.layers) }
      end
      local rows = {}
      for i, e in ipairs(o.all) do rows[i] = { e.title, e.params, string.format("%d of %d", e.grow, e.layers), e.bytes < GIB and mib(e.bytes) or gib(e.bytes) } end
      return {
        view.bars { unit = "GiB", bars = bars },
        "The cache follows how a model looks back, not how large it is. The smallest model of the four keeps most.",
        view.maps { title = "Layers that keep every token are bright", measure = "", low = "no", high = "yes", maps = maps },
        view.table { caption = "A chat of " .. fmt(o.context) .. " tokens", columns = { "model", "parameters", "layers that grow", "cache" }, rows = rows },
      }
    end,
    takeaway = "Parameters say nothing about the cache. Layers that grow, key-value heads and head_dim do.",
  },

  -- windows ---------------------------------------------------------------------------------------------------------

  part { id = "windows", title = "windows", core = true },

  predict {
    id = "window", title = "Token 100,000",
    ask = {
      "Gemma-3-27B: 52 of its 62 layers keep only the last 1,024 tokens (a sliding window). The first tokens of a chat cost 496 KiB each in BF16.",
      "How many KiB does token 100,000 add?",
    },
    number = { unit = "KiB", scale = "log", within = "5 %", from = 1, to = 1024 },
    hints = {
      "When a token enters a full window, one leaves.",
      "Ten layers have no window. What does a token cost in those alone: 496 times 10/62?",
    },
    wrong = { 496, 416, 0.5 },
    knobs = { at = { 100000, from = 2, to = 131072, scale = "log", label = "token", at = 1 } },
    compute = function(lab, knob)
      local at = math.floor(knob.at + 0.5)
      local x, y, obvious = {}, {}, {}
      local per = kv(lab, "gemma-3-27b", 1).obvious_bytes_per_token
      for i = 0, 40 do
        local n = math.floor(4096 * i / 40 + 0.5)
        x[i + 1] = n
        y[i + 1] = (n > 0 and kv(lab, "gemma-3-27b", n).kv_bytes_total or 0) / MIB
        obvious[i + 1] = per * n / MIB
      end
      local all = kv(lab, "gemma-3-27b", at)
      return { answer = (all.kv_bytes_total - kv(lab, "gemma-3-27b", at - 1).kv_bytes_total) / KIB, x = x, y = y, obvious = obvious, at = at,
               strip = strip(lab, "gemma-3-27b"), fixed = all.state_bytes_per_sequence, total = all.kv_bytes_total, wrong = per * at,
               terms = all.window_formula }
    end,
    reveal = function(o)
      return {
        view.plot { x = { label = "tokens", from = 0, to = 4096 }, y = { label = "cache", unit = "MiB", from = 0, to = 1000 },
          series = { { label = "kept", x = o.x, y = o.y, role = "outcome" }, { label = "62 layers", x = o.x, y = o.obvious } }, refs = { { x = 1024, label = "window" } } },
        view.maps { title = "62 layers; bright ones keep every token", measure = "", low = "no", high = "yes", maps = { { o.strip, label = "Gemma-3-27B" } } },
        string.format("Up to 1,024 tokens all layers fill. From then on the windows hold %s and only ten layers grow: a token costs %s KiB.", mib(o.fixed), fmt(o.answer)),
        string.format("At %s tokens that is %s. The formula for 62 growing layers says %s, %s times too much.", fmt(o.at), gib(o.total), gib(o.wrong), fmt(o.wrong / o.total)),
        view.quote "These tasters keep only the last few cards. Every sixth keeps them all.",
      }
    end,
    card = {
      front = "Gemma-3-27B: 10 of 62 layers have no window; a token costs 496 KiB at first. How many KiB once the windows are full?", answer = 80, unit = "KiB", within = "5 %",
      back = "Gemma-3-27B ends at 80 KiB a token. The windows fill once and stay (416 MiB); the layers without one grow with every token. So the cache never stops growing.",
      again = "A Gemma-3-27B server's memory still grows at 50,000 tokens, though its window is 1,024. By how many KiB a token?",
    },
    dives = { "hybrid-padding", "long-chats" },
  },

  -- states ----------------------------------------------------------------------------------------------------------

  part { id = "states", title = "states", core = true },

  predict {
    id = "state", title = "Short chats, half the bytes",
    ask = {
      "Qwen3.6-27B keeps a fixed state of 146.8 MiB for each chat (FP32, in 48 of its 64 layers), and 64 KiB a token in the other 16.",
      "Chats of 1,000 tokens. The cache goes from BF16 to FP8. How many times more chats fit in the same room?",
    },
    number = { unit = "times", scale = "linear", within = "5 %", from = 1, to = 3 },
    hints = {
      "Which of the two parts does the cache's format touch?",
      "1,000 tokens times 64 KiB are 62.5 MiB. What is that beside the state, before and after?",
    },
    wrong = { 2, 1.87, 1.5 },
    knobs = { tokens = { 1000, from = 100, to = 262144, scale = "log", label = "tokens", at = 1 } },
    compute = function(lab, knob)
      local bf16, fp8 = kv(lab, "qwen3.6-27b-fp8", knob.tokens), kv(lab, "qwen3.6-27b-fp8", knob.tokens, "fp8")
      return { answer = bf16.kv_bytes_total / fp8.kv_bytes_total, bf16 = bf16, fp8 = fp8, tokens = math.floor(knob.tokens + 0.5), state = bf16.state_formula,
               terms = bf16.terms, obvious = bf16.obvious_bytes_per_token, per = bf16.kv_bytes_per_token }
    end,
    reveal = function(o)
      local function chat(label, k)
        return { label = label, note = mib(k.kv_bytes_total), parts = { { label = "state", value = k.state_bytes_per_sequence / MIB, role = "limit" },
                 { label = "cache", value = (k.kv_bytes_total - k.state_bytes_per_sequence) / MIB, role = "outcome" } } }
      end
      return {
        view.stack { title = "One chat of " .. fmt(o.tokens) .. " tokens", unit = "MiB", capacity = o.bf16.kv_bytes_total / MIB, rows = { chat("BF16 cache", o.bf16), chat("FP8 cache", o.fp8) } },
        string.format("Only the growing part halves. %s",
          o.answer < 1.5 and "In a short chat the state is most of it." or "In a long chat the growing part is nearly all, and the factor comes close to 2."),
        view.formula { title = "A token: what the obvious formula has too many is struck out", terms = o.terms, unit = "B", result = "a token" },
        string.format("The obvious formula counts all 64 layers and says %s a token, %s times too much; and it misses the state.", kib(o.obvious), fmt(o.obvious / o.per)),
        view.formula { title = "The state", terms = o.state, unit = "B", result = "a chat" },
        view.quote "Three tasters of four rewrite one slate. It is as large for one bite as for a banquet.",
        view.note { title = "Kubernetes", text = "The fixed part is a request per chat, the growing part runs up to the limit that max-model-len sets. Counting chats alone overcommits." },
      }
    end,
    card = {
      front = "When does an fp8 KV cache not double the number of chats?",
      back = "An fp8 cache falls short of twice the chats when each chat has a fixed state beside the cache and the chats are short: Qwen3.6-27B's 146.8 MiB do not shrink, so 1,000-token chats gain 1.2 times.",
      again = "What does the obvious KV formula get wrong about a hybrid model, in both directions?",
    },
    dives = { "two-bit-kv", "prefix" }, links = { "quantization" },
  },

  -- one vector for all ----------------------------------------------------------------------------------------------

  part { id = "latents", title = "one vector for all", core = true },

  predict {
    id = "latent", title = "128 heads, one vector",
    ask = {
      "DeepSeek-V3: 61 layers, 128 heads. For all heads together a layer keeps one vector of 512 numbers, from which keys and values are rebuilt, and 64 numbers for the position (rotary). BF16.",
      "How many KiB a token?",
    },
    number = { unit = "KiB", scale = "log", within = "5 %", from = 1, to = 16384 },
    hints = {
      "Is the value stored apart from the key?",
      "How many heads share the vector?",
      "61 layers times 576 numbers times 2 bytes.",
    },
    wrong = { 137, 8784, 61, 4880 },
    knobs = { format = { "bf16", choices = { "bf16", "fp8" }, label = "cache", at = 1 } },
    compute = function(lab, knob)
      local k = kv(lab, "deepseek-v3", 1, knob.format)
      return { answer = k.kv_bytes_per_token / KIB, kv = k, llama = kv(lab, "llama-3.1-8b", 1, knob.format).kv_bytes_per_token }
    end,
    reveal = function(o)
      return {
        view.formula { title = "DeepSeek-V3", terms = o.kv.terms, unit = "B", result = "a token" },
        string.format("The factor 2 and the heads are struck out. Stored head by head it would be %s, %s times as much; an 8B model without the trick keeps %s.",
          kib(o.kv.obvious_bytes_per_token), fmt(o.kv.obvious_bytes_per_token / o.kv.kv_bytes_per_token), kib(o.llama)),
        "The config says num_key_value_heads: 128 all the same. kv_lora_rank is the line to look for.",
        view.quote "One shorthand card for the table. Each taster reads his own notes out of it.",
      }
    end,
    takeaway = "A latent cache (kv_lora_rank) drops the factor 2 and the heads; num_key_value_heads is a trap there.",
    dives = { "latent-fp8", "tensor-parallel" },
  },

  predict {
    id = "clock", title = "Fewest bytes, fastest?",
    ask = {
      "One new token looks back at 4,096 earlier ones, in one layer, on one core of this machine. Three designs, 16-bit caches:",
      view.table { columns = { "design", "query heads", "stored", "MiB" },
        rows = { { "own: as Llama-2-7B", "32", "32 keys and values of 128", "64" }, { "grouped: as Llama-3.1-8B", "32", "8 keys and values of 128", "16" },
                 { "shared: as DeepSeek-V3", "128", "1 key and value of 256", "4" } } },
      "Which is fastest?",
    },
    order = { first = "fastest first", { "own", "own keys and values" }, { "grouped", "grouped" }, { "shared", "one shared" } },
    hints = {
      "Who reads the shared vector? How often is each of its numbers multiplied?",
      "32 heads with 32 keys do 1 operation for each byte. How many do 128 heads with one key?",
    },
    wrong = { { "shared", "grouped", "own" } },
    knobs = { tokens = { 4096, from = 512, to = 16384, scale = "log", label = "tokens", at = 1 } },
    compute = function(lab, knob)
      local tokens = math.floor(knob.tokens / 32) * 32
      local t = lab.attention { cases = {
        { name = "own", heads = 32, kv_heads = 32, head_dim = 128, tokens = tokens }, { name = "grouped", heads = 32, kv_heads = 8, head_dim = 128, tokens = tokens },
        { name = "shared", heads = 128, kv_heads = 1, head_dim = 256, tokens = tokens } } }
      return { answer = t.order, ties = t.ties, unscored = t.noisy, t = t }
    end,
    reveal = function(o)
      local ms, rows = {}, {}
      for i, c in ipairs(o.t) do
        ms[i] = { label = c.name, value = c.seconds * 1e3, low = c.low * 1e3, high = c.high * 1e3, note = fmt(c.bytes / MIB) .. " MiB", role = "outcome" }
        rows[i] = { c.name, fmt(c.bytes / MIB), fmt(c.flops / c.bytes), fmt(c.seconds * 1e3), fmt(c.low * 1e3) .. " to " .. fmt(c.high * 1e3) }
      end
      return {
        view.bars { title = "One token, one layer", unit = "ms", bars = ms },
        "Fewest bytes need not be fastest: every head multiplies with the whole shared vector, so the arithmetic does not shrink with the bytes. On a device with much more arithmetic a byte, such as a GPU's tensor cores, the shared one can lead.",
        view.table { columns = { "design", "MiB", "operations a byte", "ms", "middle half" }, rows = rows },
        string.format("Median of %d rounds in turn; %d more were interrupted. Times move with the clock and with what else runs; designs whose middle halves overlap tie.", o.t.rounds, o.t.dropped),
        "DeepSeek-V3's vector has 512 and 64 numbers, used as key and as value; this stand-in has 256 of each, and half of its operations a byte.",
      }
    end,
    takeaway = "A shared vector saves bytes, not operations: it can make decode attention wait for arithmetic.",
    links = { "memory-wall" },
  },

  -- many chats ------------------------------------------------------------------------------------------------------

  part { id = "many", title = "many chats", core = true },

  explore {
    id = "card", title = "One card's memory",
    ask = "One H100 NVL, 90 % of its memory, BF16 weights. How many chats fit beside them? Turn the knobs.",
    knobs = {
      context = { 8192, from = 1024, to = 131072, scale = "log", label = "tokens a chat", at = 1 },
      format = { "bf16", choices = { "bf16", "fp8" }, label = "cache", at = 2 },
    },
    compute = function(lab, knob)
      local context, rows = math.floor(knob.context + 0.5), {}
      for i, id in ipairs { "llama-2-7b", "llama-3.1-8b", "qwen3.6-27b-fp8" } do
        rows[i] = lab.fit { config = id, memory = CARD.memory, utilization = 0.9, weights = "bf16", kv_format = knob.format, context = context }
        rows[i].title = TITLE[id]
      end
      return { rows = rows, context = context, format = knob.format }
    end,
    reveal = function(o)
      local rows = {}
      for i, f in ipairs(o.rows) do
        local parts = { { label = "weights", value = f.weights_bytes / GIB }, { label = "cache", value = f.kv_bytes / GIB, role = "outcome" } }
        if f.state_bytes > 0 then parts[3] = { label = "state", value = f.state_bytes / GIB, role = "limit" } end
        parts[#parts + 1] = { label = "free", value = f.free_bytes / GIB, role = "plain" }
        rows[i] = { label = f.title, note = fmt(f.sequences) .. " chats", parts = parts }
      end
      return {
        view.stack { title = "Chats of " .. fmt(o.context) .. " tokens", unit = "GiB", capacity = 0.9 * CARD.memory / GIB, rows = rows },
        "The weights leave a room; a chat's bytes divide it. Llama-2-7B is the smallest model here and, chat for chat, the dearest.",
        "An upper bound: activations and the server's own work memory take room too.",
      }
    end,
  },

  predict {
    id = "load", title = "Eight times the chats",
    ask = {
      "Llama-3.1-8B in BF16 on an H100 NVL (3.9 TB/s), chats of 8,192 tokens. Each step reads the weights once, 15 GB, and the cache of every chat.",
      "From 8 chats to 64: how many times more tokens a second, at most?",
    },
    number = { unit = "times", scale = "log", within = "15 %", from = 1, to = 16 },
    hints = {
      "What does a new chat bring along that must be read?",
      "A cache of 8,192 tokens is 1.07 GB. What share of a step's bytes are caches at 8 chats, and at 64?",
    },
    wrong = { 8, 4, 1 },
    knobs = {
      tokens = { 8192, from = 512, to = 65536, scale = "log", label = "tokens a chat", at = 1 },
      format = { "bf16", choices = { "bf16", "fp8" }, label = "cache", at = 2 },
    },
    compute = function(lab, knob)
      local weights = lab.weights { config = "llama-3.1-8b", format = "bf16" }.streamed_bytes
      local cache = kv(lab, "llama-3.1-8b", knob.tokens, knob.format).kv_bytes_total
      local function rate(chats) return chats * CARD.bandwidth / (weights + chats * cache) end
      local x, y = {}, {}
      for i = 0, 20 do
        x[i + 1] = 2 ^ (i / 2)
        y[i + 1] = rate(x[i + 1])
      end
      return { answer = rate(64) / rate(8), weights = weights, cache = cache, x = x, y = y, eight = rate(8), many = rate(64), never = CARD.bandwidth / cache,
               tokens = math.floor(knob.tokens + 0.5) }
    end,
    reveal = function(o)
      local function step(label, chats)
        return { label = label, parts = { { label = "weights", value = o.weights / 1e9 }, { label = "caches", value = chats * o.cache / 1e9, role = "outcome" } } }
      end
      return {
        view.bars { title = "Bytes of one step", unit = "GB", bars = { step("1 chat", 1), step("8 chats", 8), step("64 chats", 64) } },
        string.format("The weights are shared, the caches are not: each chat brings %s. From %s to %s tokens a second, and never more than %s, however many chats.", gb(o.cache), fmt(o.eight), fmt(o.many), fmt(o.never)),
        view.plot { x = { label = "chats", scale = "log", from = 1, to = 1024 }, y = { label = "tokens a second, at most", scale = "log" },
          series = { { label = "H100 NVL", x = o.x, y = o.y, role = "outcome" } }, refs = { { y = o.never, label = "caches alone " .. fmt(o.never) } } },
        "Short chats gain more, and an fp8 cache moves the end: turn the knobs.",
      }
    end,
    card = {
      front = "What does batching share, and what does it not share?",
      back = "The weights are read once for all chats. Each chat's cache is read for it alone, so with long contexts more chats stop helping.",
      again = "Why is a server's throughput flat at long context, however many chats you add?",
    },
    dives = { "fp8-kv-speed", "long-chats" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague sizes caches by \"2 times layers times heads times head_dim times 2 bytes\". What do you answer?",
    model = "Which heads are stored, and which layers grow? With the key-value heads instead of the query heads the formula is right for Llama-3.1, but still four times too high for Qwen3.6-27B, where 16 of 64 layers grow, and it misses 146.8 MiB of state a chat. Windows fill and stop, a latent cache drops the 2 and the heads. Count the fixed parts per chat and the growth per token.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "hybrid-padding", title = "vLLM reports room for fewer tokens than I computed. Why?",
    "A server keeps the cache in blocks of one size for all layers, so that any block can serve any layer. Layers are put into groups of equal number, and a group that is short is padded. Gemma-3-27B has 10 layers that grow and 52 with windows: the 52 become six groups of 10, so 60 are counted.",
    compute = function(lab)
      local k = kv(lab, "gemma-3-27b", 4096)
      return { exact = k.state_bytes_per_sequence, padded = k.state_bytes_per_sequence * 60 / 52 }
    end,
    reveal = function(o) return { string.format("Computed just now: the windows need %s, with padding to 60 layers %s. (The grouping is vLLM's, as its documentation of the hybrid KV cache manager describes it.)", mib(o.exact), mib(o.padded)) } end,
  },

  dive {
    id = "tensor-parallel", title = "Does tensor parallelism divide the KV cache?",
    "By key-value heads, yes: each GPU keeps the heads that it computes. With more GPUs than key-value heads, heads are copied. A latent cache has no heads to divide: every GPU keeps the whole vector.",
    compute = function(lab)
      local rows = {}
      for i, id in ipairs { "llama-3.1-8b", "qwen3.6-27b-fp8", "deepseek-v3" } do
        local c = lab.config(id)
        c = c.text_config or c
        local per, heads = kv(lab, id, 1).kv_bytes_per_token, c.kv_lora_rank and 1 or c.num_key_value_heads
        local each = per / math.min(8, heads)
        rows[i] = { TITLE[id], fmt(per / KIB), fmt(each / KIB), fmt(8 * each / KIB) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "KiB a token, BF16, on 8 GPUs", columns = { "model", "one GPU", "each of 8", "all 8" }, rows = o.rows } } end,
  },

  dive {
    id = "latent-fp8", title = "Is an FP8 latent cache half the size?",
    "In payload, yes: 576 numbers of one byte. FlashMLA's FP8 layout keeps the 64 rotary numbers in BF16, since they are delicate, and adds four FP32 scales for the 512 others: 656 bytes a layer.",
    compute = function(lab)
      local bf16, fp8 = kv(lab, "deepseek-v3", 1), kv(lab, "deepseek-v3", 1, "fp8")
      return { bf16 = bf16.kv_bytes_per_token, fp8 = fp8.kv_bytes_per_token, mixed = 61 * (512 + 4 * 4 + 64 * 2) }
    end,
    reveal = function(o)
      return { view.table { columns = { "layout", "bytes a token", "of BF16" }, rows = { { "BF16", fmt(o.bf16), "100 %" }, { "all FP8", fmt(o.fp8), percent(100 * o.fp8 / o.bf16) },
        { "FP8, scales, BF16 rotary", fmt(o.mixed), percent(100 * o.mixed / o.bf16) } } } }
    end,
  },

  dive {
    id = "prefix", title = "Is a shared prompt stored once?",
    "With prefix caching, yes: the blocks of equal beginnings are shared, and each chat only adds its own. A fixed state is harder to share, because it is rewritten; servers keep copies of it at some positions.",
    compute = function(lab)
      local k = kv(lab, "llama-3.1-8b", 2000)
      return { one = k.kv_bytes_total, all = 100 * k.kv_bytes_total }
    end,
    reveal = function(o) return { string.format("100 chats with the same 2,000 tokens in front, Llama-3.1-8B, BF16: %s once, or %s if each keeps its own.", mib(o.one), gib(o.all)) } end,
  },

  dive {
    id = "two-bit-kv", title = "Does a 2-bit KV cache save eight times?",
    "No. KIVI keeps keys in groups of 32 tokens of a channel and values in groups of 32 channels of a token, each with a 16-bit scale and a 16-bit minimum: 2 bits are 3. And the newest tokens stay in 16 bits.",
    compute = function(lab)
      local rows = {}
      for i, n in ipairs { 512, 4096, 16384 } do
        local r = lab.kivi { k = lab.gaussian { rows = n, cols = 128 }, v = lab.gaussian { rows = n, cols = 128, stream = 1 }, format = "int2", group = 32, residual = 128 }
        rows[i] = { fmt(n), fmt(r.k_bits), fmt(r.v_bits), fmt(r.bits_per_value), fmt(16 / r.bits_per_value) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "KIVI, 2 bits, groups of 32, 128 tokens in 16 bits", columns = { "tokens", "bits, keys", "bits, values", "both", "times smaller" }, rows = o.rows } } end,
  },

  dive {
    id = "fp8-kv-speed", title = "Does an fp8 KV cache make decode faster?",
    "When the cache is a good part of what a step reads: long chats, or many of them. For one short chat the weights are nearly everything. And the attention kernel must take it well: on some cards and head sizes prefill with an fp8 cache is slower (flashinfer issue 3484; vLLM blog, 2026-04-22).",
    compute = function(lab)
      local weights = lab.weights { config = "llama-3.1-8b", format = "bf16" }.streamed_bytes
      local rows = {}
      for i, c in ipairs { { 1, 4096 }, { 1, 131072 }, { 64, 4096 }, { 64, 32768 } } do
        local cache = c[1] * kv(lab, "llama-3.1-8b", c[2]).kv_bytes_total
        rows[i] = { fmt(c[1]), fmt(c[2]), percent(100 * ((weights + cache) / (weights + cache / 2) - 1)) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "Llama-3.1-8B, BF16 weights: faster by an fp8 cache, at most", columns = { "chats", "tokens each", "faster" }, rows = o.rows } } end,
  },

  dive {
    id = "kv-quality", title = "Does a quantized KV cache ruin long contexts?",
    "8 bits: hardly. llama.cpp measured a KL divergence of 0.00098 with both K and V in Q8_0, less than Q8_0 weights cost (0.00136; pull request 7412). 4 bits and less depend on the layout: keys have outlier channels, so they want a scale a channel. Some long tasks lose much at 4 bits (arXiv:2505.20276). Test your own longest prompts. All cited, not measured here.",
    compute = function(lab)
      local k = lab.gaussian { rows = 512, cols = 128, channels = 3, channel_times = { 8, 12 } }
      return { token = lab.quantize(k, { format = "int4", scale = "token", zero_point = "kivi" }).sqnr_db, channel = lab.quantize(k:transposed(), { format = "int4", scale = "group:32", zero_point = "kivi" }).sqnr_db,
               fp8 = lab.quantize(k, { format = "e4m3", scale = "tensor" }).sqnr_db }
    end,
    reveal = function(o) return { view.bars { title = "A seeded K with three large channels, computed now", unit = "dB", bars = { { label = "INT4, a scale a token", value = o.token }, { label = "INT4, by channel, 32", value = o.channel }, { label = "FP8 E4M3", value = o.fp8 } } } } end,
  },

  dive {
    id = "long-chats", title = "Why do long chats get slower?",
    "Each new token reads the whole cache of its chat once. At first the weights are most of what is read; the longer the chat, the more the cache is.",
    compute = function(lab)
      local weights = lab.weights { config = "llama-3.1-8b", format = "bf16" }.streamed_bytes
      local per = kv(lab, "llama-3.1-8b", 1).kv_bytes_per_token
      local rows = {}
      for i, n in ipairs { 1024, 8192, 32768, 131072 } do
        rows[i] = { fmt(n), gb(n * per), fmt((weights + n * per) / weights) }
      end
      return { equal = weights / per, rows = rows }
    end,
    reveal = function(o)
      return { view.table { caption = "Llama-3.1-8B, BF16, one chat", columns = { "tokens", "cache read", "time of a token, at least" }, rows = o.rows },
               string.format("At %s tokens the cache equals the weights, and a token takes twice as long as the first.", fmt(math.floor(o.equal + 0.5))) }
    end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "memory-wall", title = "Why decode waits for memory",
    "One token uses each weight once: two operations for each weight read.",
    "A GPU can do hundreds of operations while one byte arrives.",
    "So for few chats speed is bandwidth over bytes.",
    "More chats share the trip, until arithmetic becomes the limit." },
  link { lesson = "quantization", title = "The other lever",
    "FP8 weights leave more room for caches.",
    "An fp8 cache takes half of what a token took.",
    "Both together: 48 chats of 32k where 15 fitted.",
    "The fixed state of a chat does not shrink." },
}
