-- Cheaper memory of the conversation: which way keys and values want their scales, what "2 bits" costs, and what it is for.
-- K, V and queries of SmolLM2-135M, the lab model under a rounded cache, and attention timed here. Nothing was planted.

local function db(x) return string.format("%.1f dB", x) end

-- Rounds a cache [tokens, channels] to whole numbers with a stored minimum; along a token's row or a channel's column.
local function round(lab, t, format, way, group)
  return lab.quantize(way == "channel" and t:transposed() or t, { format = format, scale = "group:" .. group, zero_point = "kivi" })
end

-- The four rounded halves of a cache, decoded: keys and values, each both ways.
local function halves(lab, k, v, format, group)
  local function decoded(t, way)
    local values = round(lab, t, format, way, group).values
    return way == "channel" and values:transposed() or values
  end
  return { ["k-token"] = decoded(k, "token"), ["k-channel"] = decoded(k, "channel"), ["v-token"] = decoded(v, "token"), ["v-channel"] = decoded(v, "channel") }
end

-- The same values with the first token's as they were.
local function first_exact(rounded, v)
  return rounded:transposed():replaced(v:transposed(), { 1 }):transposed()
end

return lesson {
  id = "kv-quant", title = "Cheaper memory of the conversation", course_part = "C", minutes = 15, needs = { "kv-cache", "scales" },
  win = "choose a format for a KV cache, say what it truly costs in bits, and when it is faster",
  sources = {
    "SmolLM2-135M-Instruct (Apache-2.0) for K, V and queries, from a package whose weights have 4 bits",
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
    "arXiv:2402.02750 KIVI; arXiv:2401.18079 KVQuant",
    "vLLM blog, 2026-04-22, FP8 KV cache; llama.cpp pull request 21038",
  },

  -- which way -------------------------------------------------------------------------------------------------------

  part { id = "way", title = "which way", core = true },

  read {
    id = "setting", title = "Two tables that grow",
    "For each token a layer keeps a key, which says when to look here, and a value, which says what to take along. Each new token adds a row to both tables and reads all the rows before it. In a long chat they can outgrow the weights.",
    "So store fewer bits. Weights are rounded once, at leisure, with test text at hand. A cache is rounded while it is written, and nobody has seen it before.",
    view.quote "The tasters' index cards are filled at table. Shorter notes, more cards on the shelf; but no time to proofread.",
  },

  predict {
    id = "way", title = "Along the token or along the channel",
    ask = {
      "Real keys and values: SmolLM2-135M, layer 16 of 30, 1,024 tokens by 192 channels. Each number gets 2 bits; 32 of them share a scale and a minimum.",
      "The 32 lie along a token's row, or along a channel's column, 32 tokens deep: the same bits. Who is rounded best?",
    },
    order = { first = "least error first",
      { "k-token", "keys, along a token" }, { "k-channel", "keys, along a channel" },
      { "v-token", "values, along a token" }, { "v-channel", "values, along a channel" } },
    hints = {
      "The widest of the 32 sets the step. Which neighbors are alike: the channels of one token, or one channel from token to token?",
      "Keys decide by their large channels. What is one of those to 31 small ones in the same row?",
    },
    wrong = { { "k-channel", "v-token", "v-channel", "k-token" }, { "v-token", "k-token", "k-channel", "v-channel" } },
    knobs = {
      layer = { "16", choices = { "1", "16" }, label = "layer", at = 1 },
      format = { "int2", choices = { "int2", "int3", "int4" }, label = "bits", at = 2 },
      group = { "32", choices = { "16", "32", "64", "128" }, label = "numbers that share", at = 3 },
    },
    compute = function(lab, knob)
      local at = knob.layer == "1" and "0" or "15"
      local k, v, list = lab.tensor("smollm2/k" .. at), lab.tensor("smollm2/v" .. at), {}
      for _, c in ipairs { { "k", k, "keys" }, { "v", v, "values" } } do
        for _, way in ipairs { "token", "channel" } do
          local q = round(lab, c[2], knob.format, way, knob.group)
          list[#list + 1] = { id = c[1] .. "-" .. way, label = c[3] .. ", " .. way, db = q.sqnr_db, bits = q.bits_per_weight }
        end
      end
      local ids, by = {}, {}
      for _, e in ipairs(list) do by[e.id] = e.db end
      table.sort(list, function(a, b) return a.db > b.db end)
      for i, e in ipairs(list) do ids[i] = e.id end
      return { answer = ids, list = list, by = by, bits = list[1].bits, group = knob.group, k = k:take(256, 64), v = v:take(256, 64) }
    end,
    reveal = function(o)
      local bars, k, v = {}, o.by["k-channel"] - o.by["k-token"], o.by["v-channel"] - o.by["v-token"]
      for i, e in ipairs(o.list) do bars[i] = { label = e.label, value = math.max(0, e.db), role = i == 1 and "outcome" or nil } end
      return {
        view.maps { beside = true, title = "One head: 256 tokens down, 64 channels across", maps = { { o.k, label = "keys" }, { o.v, label = "values" } } },
        view.bars { title = "SQNR at " .. fmt(o.bits) .. " bits a number, scales and minima included", unit = "dB", bars = bars },
        string.format("Keys have stripes: a channel is large at token after token. Along the row one stripe sets the step for all; along the column it meets only itself, and gains %s.", db(k)),
        string.format("Values gain %s: %s.", db(v), v < 0.5 * k and "they have no such stripes, and a channel is only a little like itself" or "in this layer some of their channels are large too"),
        "Then why does KIVI round values along the token? A token's value can be rounded the moment it comes. A column must wait until " .. o.group .. " tokens are there, and until then they stay in 16 bits. It waits where the wait pays: for keys.",
      }
    end,
    card = {
      front = "Which way do keys want their scales, which way may values have theirs, and why?",
      back = "Keys along the channel: a few channels are large at every token. Values have hardly any, so they may go along the token, where each can be rounded as it comes.",
      again = "Rounding keys along the token's row: who pays for what?",
    },
  },

  predict {
    id = "look", title = "What attention makes of it",
    ask = {
      "The same keys and values at 2 bits. Now attention reads them: the newest 64 tokens look back through the layer's 9 query heads at all tokens up to themselves, once over the exact cache, and once with one of the four rounded.",
      "Whose rounding changes attention's output least?",
    },
    order = { first = "least change first",
      { "k-token", "keys, along a token" }, { "k-channel", "keys, along a channel" },
      { "v-token", "values, along a token" }, { "v-channel", "values, along a channel" } },
    hints = {
      "A key is never handed on. It makes a score, and the softmax takes e to the power of it. What becomes of an error there, and what of an error in a value?",
      "SQNR counts every token alike. Attention often gives a good share to a single token, the first. Its value is small: what does a column do to it, and what its own row?",
    },
    wrong = { { "k-channel", "v-channel", "v-token", "k-token" }, { "k-channel", "v-token", "v-channel", "k-token" } },
    knobs = {
      layer = { "16", choices = { "1", "16" }, label = "layer", at = 1 },
      format = { "int2", choices = { "int2", "int3", "int4" }, label = "bits", at = 2 },
      group = { "32", choices = { "16", "32", "64", "128" }, label = "numbers that share", at = 3 },
    },
    compute = function(lab, knob)
      local at = knob.layer == "1" and "0" or "15"
      local q, k, v = lab.tensor("smollm2/q" .. at), lab.tensor("smollm2/k" .. at), lab.tensor("smollm2/v" .. at)
      local half, list, by = halves(lab, k, v, knob.format, knob.group), {}, {}
      local function attend(rounded_k, rounded_v)
        return lab.attend { q = q, k = k, v = v, rounded_k = rounded_k, rounded_v = rounded_v, heads = 9, kv_heads = 3 }
      end
      for i, c in ipairs { { "k-token", "keys, token" }, { "k-channel", "keys, channel" }, { "v-token", "values, token" }, { "v-channel", "values, channel" } } do
        local id, keys = c[1], i <= 2
        local r = attend(keys and half[id] or nil, not keys and half[id] or nil)
        list[i] = { id = id, label = c[2], off = 100 * r.relative, kl = r.kl, db = lab.compare(keys and k or v, half[id]).sqnr_db, first = 100 * r.weights:at(1) }
        by[id] = list[i]
      end
      local first, ids, kept, whole = by["k-token"].first, {}, {}, {}
      for _, way in ipairs { "token", "channel" } do kept[way] = 100 * attend(nil, first_exact(half["v-" .. way], v)).relative end
      for _, c in ipairs { { "kivi", "channel", "token" }, { "channel", "channel", "channel" }, { "token", "token", "token" } } do
        whole[c[1]] = 100 * attend(half["k-" .. c[2]], half["v-" .. c[3]]).relative
      end
      table.sort(list, function(a, b) return a.off < b.off end)
      for i, e in ipairs(list) do ids[i] = e.id end
      return { answer = ids, list = list, by = by, first = first, kept = kept, whole = whole }
    end,
    reveal = function(o)
      local bars, kt, kc, vt, vc = {}, o.by["k-token"], o.by["k-channel"], o.by["v-token"], o.by["v-channel"]
      local function pct(x) return string.format("%.3g %%", x) end
      for i, e in ipairs(o.list) do bars[i] = { label = e.label, value = e.off, role = i == 1 and "outcome" or nil, note = string.format("%.1f dB", e.db) } end
      local keys = string.format("Rounded keys move the weights: along the token by a KL of %.3g nats, along the channel by %.3g. The stripes cost here too.", kt.kl, kc.kl)
      if kc.db > vt.db and kc.off > vt.off then
        keys = keys .. string.format(" Yet keys at %s cost %s, and values at %s only %s. A key's error sits in a score, and the softmax takes e to the power of it; a value's error is handed on once, times its weight, and those of many tokens partly cancel.", db(kc.db), pct(kc.off), db(vt.db), pct(vt.off))
      end
      local values
      if vc.db > vt.db and vc.off > vt.off then
        values = string.format("And values turn around: along the channel they have %s more, and change the output more. %s of the attention goes to one token, the first, and its value is small: a column gives it the step of its larger neighbors. With that one value exact it is %s along the token and %s along the channel. KVQuant keeps the first token in 16 bits (arXiv:2401.18079, cited).",
          db(vc.db - vt.db), pct(o.first), pct(o.kept.token), pct(o.kept.channel))
      else
        values = string.format("In this layer the first token gets %s of the attention, which is spread over many: values do as their SQNR said.", pct(o.first))
      end
      return {
        view.bars { title = "Attention's output is off by; behind it the SQNR of what was rounded", unit = "%", bars = bars },
        keys, values,
        string.format("Keys and values rounded at once: %s off in KIVI's way, %s both along the channel, %s both along the token.", pct(o.whole.kivi), pct(o.whole.channel), pct(o.whole.token)),
      }
    end,
    card = {
      front = "Values have the higher SQNR along the channel. Why may attention's output be better with values along the token?",
      back = "SQNR counts all tokens alike, attention does not. The first token often takes a large share of it with a small value: in a column it gets its neighbors' step, in its row one of its own.",
      again = "Which token often takes much of the attention, and what does a shared column do to its value?",
    },
  },

  predict {
    id = "price", title = "Two bits",
    ask = {
      "KIVI's 2-bit cache: 32 numbers share a scale and a minimum of 16 bits each. Values of the newest 128 tokens wait in 16 bits; keys wait until 128 are there, then all of them are rounded.",
      "A chat of 512 tokens. How many bits does a number take, on average over keys and values?",
    },
    number = { unit = "bits", scale = "linear", within = "10 %", from = 1, to = 16 },
    hints = {
      "What do the scale and the minimum add to each of 32 numbers?",
      "128 of 512 tokens: a quarter of the values. Are any keys still waiting at token 512?",
    },
    wrong = { 2, 3, 2.5, 6.25 },
    knobs = {
      tokens = { 512, from = 128, to = 1024, step = 32, label = "tokens", at = 1 },
      group = { "32", choices = { "16", "32", "64" }, label = "numbers that share", at = 2 },
      format = { "int2", choices = { "int2", "int4" }, label = "bits", at = 3 },
    },
    compute = function(lab, knob)
      local k, v = lab.tensor "smollm2/k15", lab.tensor "smollm2/v15"
      local n, cols = math.min(math.floor(knob.tokens + 0.5), k.rows), math.min(64, k.cols)
      local r = lab.kivi { k = k:take(n, cols), v = v:take(n, cols), format = knob.format, group = tonumber(knob.group), residual = 128 }
      local long = lab.gaussian { rows = 32768, cols = 64 }
      local late = lab.kivi { k = long, v = long, format = knob.format, group = tonumber(knob.group), residual = 128 }
      return { answer = r.bits_per_value, r = r, late = late, tokens = n, plain = tonumber(knob.format:sub(4)), group = tonumber(knob.group) }
    end,
    reveal = function(o)
      local r, each = o.r, 32 / o.group
      local function bar(label, waiting, tokens)
        local share = waiting / tokens
        return { label = label, parts = { { label = "payload", value = (1 - share) * o.plain, role = "outcome" }, { label = "scale, minimum", value = (1 - share) * each, role = "limit" },
          { label = "waiting, 16 bits", value = 16 * share } } }
      end
      return {
        view.bars { unit = "bits a number", bars = { bar("keys, " .. o.tokens, r.k_residual, o.tokens), bar("values, " .. o.tokens, r.v_residual, o.tokens),
          bar("both, 32,768", (o.late.k_residual + o.late.v_residual) / 2, 32768) } },
        string.format("Scale and minimum are 32 bits for %d numbers: %s each. So %d bits are %s before anything waits.", o.group, fmt(each), o.plain, fmt(o.plain + each)),
        string.format("At %d tokens %d keys and %d values wait in 16 bits. Keys take %s bits, values %s, both %s: %s times smaller than BF16, not %s.", o.tokens, r.k_residual, r.v_residual, fmt(r.k_bits), fmt(r.v_bits), fmt(r.bits_per_value), fmt(16 / r.bits_per_value), fmt(16 / o.plain)),
        string.format("A long chat dilutes what waits, never the scales: %s bits at 32,768 tokens. All of it is counted from the bytes of a rounded cache.", fmt(o.late.bits_per_value)),
      }
    end,
    card = {
      front = "A \"2-bit\" KV cache in groups of 32, 512 tokens, 128 in 16 bits: how many bits a number?", answer = 4.63, within = "10 %", unit = "bits",
      back = "A \"2-bit\" cache takes about 4.6 at 512 tokens: 2, and 1 for scale and minimum, and a quarter of the values still has 16. In long chats it comes down to 3, never to 2.",
      again = "Does a 2-bit KV cache save eight times? What does it save at 512 tokens, what at 32,768?",
    },
    dives = { "which-kivi" },
  },

  -- what to spend ---------------------------------------------------------------------------------------------------

  part { id = "spend", title = "what to spend", core = true },

  predict {
    id = "spend", title = "Four bits, three ways",
    ask = {
      "You can spend about 4 bits on each number of the cache: on the number itself, or on finer scales. Three ways, tried on the lab model, a small language model that reads text it never saw.",
      "Which hurts its loss least?",
    },
    order = { first = "least loss first",
      { "four", "INT4, scale for 64" }, { "three", "INT3, scale, minimum for 32" }, { "two", "INT2, scale, minimum for 16" } },
    hints = {
      "A scale for 16 numbers follows them closely. But how many values are left at 2 bits?",
      "One bit more doubles the number of steps. What does half the group do to the range?",
    },
    wrong = { { "two", "three", "four" }, { "three", "two", "four" } },
    knobs = { weights = { "fp32", choices = { "fp32", "int4" }, label = "weights", at = 1 } },
    compute = function(lab, knob)
      local ways = {
        { id = "four", label = "INT4, 64", kv = { format = "int4", scale = "group:64" } },
        { id = "three", label = "INT3, 32", kv = { format = "int3", scale = "group:32", zero_point = "kivi" } },
        { id = "two", label = "INT2, 16", kv = { format = "int2", scale = "group:16", zero_point = "kivi" } },
        { id = "fp8", label = "FP8", kv = { format = "e4m3", scale = "none" } },
      }
      local runs, k = {}, lab.tensor "smollm2/k15"
      k = k:take(math.min(64, k.rows), math.min(64, k.cols))
      local weights = knob.weights == "int4" and { format = "int4", scale = "group:128" } or nil
      for i, w in ipairs(ways) do runs[i] = { kv = w.kv, weights = weights } end
      local r, list = lab.quality { tokens = 1024, runs = runs }, {}
      for i, w in ipairs(ways) do
        list[i] = { id = w.id, label = w.label, bits = lab.quantize(k, w.kv).bits_per_weight, delta = r[i].delta, error = r[i].delta_se, rank = r[i].rank, changed = 100 * (1 - r[i].top1) }
      end
      local ranked = { list[1], list[2], list[3] }
      table.sort(ranked, function(a, b) return a.delta < b.delta end)
      local ids, ties = {}, ""
      for i, e in ipairs(ranked) do
        ids[i] = e.id
        ties = ties .. (i == 1 and "" or ranked[i - 1].rank == e.rank and "=" or " ") .. e.id
      end
      local opening = "And the king said unto "
      local function writes(kv) return (lab.generate { kv = kv, weights = weights, prompt = opening, bytes = 80, temperature = 0.8 }.text:gsub("%c", " ")) end
      return { answer = ids, ties = ties, list = list, opening = opening, four = writes(ways[1].kv), two = writes(ways[3].kv), largest = lab.tensor("smollm2/k15").amax }
    end,
    reveal = function(o)
      local bars, rows = {}, {}
      for i, e in ipairs(o.list) do
        if i <= 3 then bars[i] = { label = e.label, value = math.max(0, e.delta), role = "outcome", note = string.format("%.4g bits", e.bits) } end
        rows[i] = { e.label, string.format("%.4g", e.bits), string.format("%+.4f ± %.4f", e.delta, e.error), fmt(e.changed) .. " %" }
      end
      return {
        view.bars { title = "Loss above FP32, on 1,024 bytes", unit = "bits a byte", bars = bars },
        "Finer scales cannot buy back bits. Each bit doubles the steps; half the group only narrows the range a little, and its scale and minimum cost as much as the bit did.",
        view.table { columns = { "cache", "bits", "loss above FP32", "favorites changed" }, rows = rows },
        string.format("FP8 here has no scale at all. Keys and values stay far below 448, E4M3's largest (SmolLM2's keys end at %s), and each brings its own step: that is why servers take fp8 for a cache without calibrating.", fmt(o.largest)),
        view.table { caption = "Each goes on after: " .. o.opening, columns = { "cache", "goes on with" }, rows = { { "INT4", o.four }, { "INT2", o.two } } },
        "This model looks back 512 bytes at most. Over long contexts the damage shows first where one place must be found: KIVI's 2 bits took Mistral-7B's passage retrieval from 89.3 to 80.8, and its average only from 43.5 to 42.4 (arXiv:2402.02750, cited).",
      }
    end,
    card = {
      front = "About 4 bits for each number of a KV cache: 4-bit numbers with coarse scales, or 2-bit numbers with fine ones?",
      back = "4-bit numbers with coarse scales. A bit doubles the steps; a finer group narrows the range a little, and its scale and minimum cost as much as the bits that they replace.",
      again = "INT2 in groups of 16 and INT4 in groups of 64 cost about the same. Which is nearer, and why?",
    },
    dives = { "scale-one", "rotate" }, links = { "quality" },
  },

  -- speed -----------------------------------------------------------------------------------------------------------

  part { id = "speed", title = "when it is faster", core = true },

  predict {
    id = "clock", title = "Half the bytes, half the time?",
    ask = {
      "One new token looks back at 16,384 earlier ones: 24 query heads on 4 key-value heads of 256. The cache goes from BF16 to fp8, so half the bytes are read. It is timed on this machine now: on one core, or on its GPU, if Saffron uses one, for eight chats at once.",
      "How long does attention take, in percent of its time with BF16?",
    },
    number = { unit = "%", scale = "log", within = "20 %", from = 10, to = 500 },
    hints = {
      "Before a number of 8 bits can be multiplied, it is widened. Who does that, and how often?",
      "Six query heads share each key here, so each byte meets six times the arithmetic. Is it still the bytes that it waits for?",
    },
    wrong = { 10, 500 },
    knobs = { tokens = { 16384, from = 4096, to = 65536, scale = "log", label = "tokens looked back at", at = 1 } },
    compute = function(lab, knob)
      local card, tokens = lab.machine().gpu, math.floor(knob.tokens / 32) * 32
      local function case(name, format, prefill)
        return { name = name, format = format, tokens = prefill and 8192 or tokens, prefill = prefill, sequences = card and not prefill and 8 or nil, heads = 24, kv_heads = 4, head_dim = 256 }
      end
      local cases = { case("BF16", "bf16"), case("FP8", "e4m3"), case("INT8", "int8"), case("INT4", "int4") }
      local options = { cases = cases }
      if card then
        cases[5], cases[6] = case("BF16, prefill", "bf16", true), case("FP8, prefill", "e4m3", true)
        options.device, options.rounds = "cuda", 7
      end
      local t, list = lab.attention(options), {}
      for i, c in ipairs(t) do list[i] = { label = cases[i].name, ms = 1e3 * c.seconds, low = 1e3 * c.low, high = 1e3 * c.high, bytes = c.bytes } end
      local fp8 = t[2]
      return { answer = 100 / fp8.times, low = 100 / fp8.times_high, high = 100 / fp8.times_low, unscored = t.noisy, list = list, card = card, tokens = tokens, rounds = t.rounds }
    end,
    reveal = function(o)
      local bars = {}
      for i = 1, 4 do
        local e = o.list[i]
        bars[i] = { label = e.label, value = e.ms, low = e.low, high = e.high, role = i == 2 and "outcome" or nil, note = fmt(e.bytes / 2 ^ 20) .. " MiB" }
      end
      local blocks = {
        view.bars { title = string.format("%s, one token looks back at %s", o.card and o.card .. ", eight chats" or "One core", fmt(o.tokens)), unit = "ms", bars = bars },
        string.format("Half the bytes, %s %% of the time. Each fp8 number is widened before it is multiplied, and with six queries a key there is much to multiply: %s", fmt(o.answer),
          o.answer < 62 and "here memory is still what it waits for." or o.card and "here that, and what a kernel takes to start, count as well. The longer the context, the nearer to half." or "here arithmetic sets much of the pace."),
      }
      if o.card then
        local prefill = 100 * o.list[6].ms / o.list[5].ms
        blocks[3] = string.format("Prefill of 8,192 tokens on the same card: %s ms with BF16, %s with fp8, %s %%. A prompt's attention waits for arithmetic alone, so widening is all it notices.", fmt(o.list[5].ms), fmt(o.list[6].ms), fmt(prefill))
      else
        blocks[3] = "Prefill, a whole prompt at once, waits for arithmetic alone: nothing to gain there, widening to lose. It needs a GPU to be worth timing; where there is one, these two time both:"
        blocks[4] = view.code { text = "saffron kv-quant --device cuda\nsaffron bench --device cuda --only prefill" }
      end
      blocks[#blocks + 1] = view.table { caption = "fp8 cache against BF16, head_dim 256: Saffron on an H200, vLLM on an H100", columns = { "kernels", "decode, time", "prefill, time" },
        rows = { { "Saffron's", "60 %", "115 %" }, { "vLLM's, a token of context", "68 %", "162 %" } }, source = "Saffron's README, 2026-11-24; vLLM blog, 2026-04-22 (Gemma-4-E2B)" }
      blocks[#blocks + 1] = "vLLM's prefill pays for another reason as well: on H100 the FP8 tensor core adds up in too few bits, so partial sums go to FP32 at short intervals, and a head of 256 leaves no registers for that."
      return blocks
    end,
    card = {
      front = "With fp8 a KV cache has half the bytes. Why is decode attention not twice as fast, and prefill perhaps slower?",
      back = "Each fp8 number is widened before it is multiplied. Decode waits for bytes, but not only; prefill waits for arithmetic, so it gains nothing from fewer bytes and pays for the widening.",
      again = "Decode or prefill: who gains from an fp8 cache, who may lose, and what decides?",
    },
    dives = { "needle" },
  },

  predict {
    id = "break-even", title = "From how many tokens on?",
    ask = {
      "vLLM measured Llama-3.1-8B on an H100. A token takes a fixed time, and a little more for each token of context:",
      view.table { columns = { "cache", "fixed", "for each token of context" }, rows = { { "BF16", "6.44 ms", "43.7 ns" }, { "fp8", "6.58 ms", "23.7 ns" } }, source = "vLLM blog, 2026-04-22" },
      "From how many tokens of context on is the fp8 cache faster?",
    },
    number = { unit = "tokens", scale = "log", within = "1.5 x", from = 100, to = 1000000 },
    hints = {
      "What does fp8 cost once, what does it save for each token?",
      "How many tokens must save before the fixed cost is paid?",
    },
    wrong = { 1000, 131072, 100 },
    knobs = { context = { 32768, from = 1024, to = 131072, scale = "log", label = "context", at = 1 } },
    compute = function(_, knob)
      local bf16, fp8 = { 6.44e6, 43.7 }, { 6.58e6, 23.7 } -- ns, and ns a token of context
      local function time(line, tokens) return line[1] + line[2] * tokens end
      local x, y = {}, {}
      for i = 0, 14 do
        x[i + 1] = 1024 * 2 ^ (i / 2)
        y[i + 1] = 100 * (time(bf16, x[i + 1]) / time(fp8, x[i + 1]) - 1)
      end
      return { answer = (fp8[1] - bf16[1]) / (bf16[2] - fp8[2]), x = x, y = y, context = math.floor(knob.context + 0.5), gain = 100 * (time(bf16, knob.context) / time(fp8, knob.context) - 1) }
    end,
    reveal = function(o, guess)
      local seen = guess and type(guess.value) == "number" and guess.value >= 1024 and guess.value <= 131072
      return {
        view.plot { x = { label = "tokens of context", scale = "log", from = 1024, to = 131072 }, y = { label = "faster", unit = "%" },
          series = { { label = "fp8 cache", x = o.x, y = o.y, role = "outcome" } }, refs = { { y = 0, label = "equal" }, { x = o.answer, label = fmt(o.answer) } },
          guess = seen and { x = guess.value, label = "you" } or nil },
        string.format("fp8 costs 0.14 ms a token whatever the context, and saves 20 ns for each token of it. At %s tokens decode is %s.", fmt(o.context), math.abs(o.gain) < 0.05 and "as fast as with BF16" or o.gain > 0 and fmt(o.gain) .. " % faster" or fmt(-o.gain) .. " % slower"),
        "The fixed cost is kernels, and kernels change: in vLLM 0.10.2 the lines crossed at 24,889 tokens. gpt-oss-20b went from 741,565 to 22,109, and to 7,659 with its sliding-window layers left out (same source).",
        "Below the break-even an fp8 cache is room, not speed: twice the tokens fit.",
        view.note { title = "With your server", text = "Time two context lengths with each cache, draw the two lines, and see where they cross. Two points a line are enough." },
      }
    end,
    card = {
      front = "An fp8 cache costs 0.14 ms a token and saves 20 ns for each token of context. What is its break-even?", answer = 7000, within = "10 %", unit = "tokens",
      back = "The break-even is 7,000 tokens of context: the fixed cost divided by what each token saves. Below it fp8 is room, above it speed as well.",
      again = "How do you find the context from which an fp8 cache pays on your own server?",
    },
    links = { "kv-cache" },
  },

  -- in your words ---------------------------------------------------------------------------------------------------

  part { id = "words", title = "in your words" },

  recall {
    id = "three", title = "Three questions",
    front = "Somebody offers you a 2-bit KV cache. Which three questions do you ask before you believe in a saving of eight times?",
    back = "Which way do the scales run, and how many numbers share one (2 bits with scale and minimum for 32 are 3)? How many tokens wait in 16 bits? What does it do to my longest retrieval, not to the average?",
    again = "What stands between \"2 bits\" and an eighth of the memory?",
  },

  explain {
    id = "colleague", title = "Explain it to a colleague",
    ask = "A colleague switched on --kv-cache-dtype fp8 \"for speed\". Prompts are long, answers short, head_dim is 256. What do you say?",
    model = "fp8 halves what each token of context takes, so twice the tokens fit: that gain is certain. Speed is another matter. Decode gains once the context is past the break-even, some 7,000 tokens for Llama-3.1-8B in vLLM's measurement. Prefill has nothing to gain, since it waits for arithmetic, and at head_dim 256 on an H100 the part that grows with the prompt squared took 1.6 times as long. With long prompts and short answers we mostly prefill, so measure the time to the first token with and without it.",
  },

  -- deep dives ------------------------------------------------------------------------------------------------------

  dive {
    id = "scale-one", title = "Nobody calibrated my fp8 cache. Is a scale of 1 safe?",
    "E4M3 reaches from 2^-9 to 448, and inside it each value brings its own step. Keys and values of most models lie well inside, so a scale of 1 costs nothing. INT8 has one step for all: there it is the scale that decides.",
    compute = function(lab)
      local rows = {}
      for i, name in ipairs { "smollm2/k0", "smollm2/v0", "smollm2/k15", "smollm2/v15" } do
        local t = lab.tensor(name)
        local function q(format, scale) return string.format("%.1f", lab.quantize(t, { format = format, scale = scale }).sqnr_db) end
        rows[i] = { name, fmt(t.amax), q("e4m3", "none"), q("e4m3", "token"), q("int8", "none"), q("int8", "token") }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "SQNR in dB, measured now; \"1\" is a scale of 1", columns = { "tensor", "largest", "E4M3, 1", "a token", "INT8, 1", "a token" }, rows = o.rows } } end,
  },

  dive {
    id = "rotate", title = "Does rotating the keys help?",
    "A Hadamard rotation mixes the channels of a token, so that a large one is spread over all. Queries are rotated alike, and their products with the keys stay the same. Then the token's row has no stripes any more, and no waiting for a column is needed. llama.cpp does so for quantized caches since April 2026 (pull request 21038).",
    compute = function(lab)
      local rows = {}
      for i, name in ipairs { "smollm2/k0", "smollm2/k15", "smollm2/v15" } do
        local t = lab.tensor(name):take(1024, 64)
        local function row(method) return db(lab.method { w = t, format = "int4", scale = "channel", zero_point = "kivi", method = method }.weight_sqnr_db) end
        rows[i] = { name, row "rtn", row "hadamard", db(lab.quantize(t:transposed(), { format = "int4", scale = "group:64", zero_point = "kivi" }).sqnr_db) }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "INT4 with a minimum for 64 numbers, one head, measured now", columns = { "tensor", "along the token", "rotated first", "along the channel" }, rows = o.rows }, "Keys gain, values hardly: they had no stripes to spread." } end,
  },

  dive {
    id = "needle", title = "Can an fp8 cache lose a needle in the haystack?",
    "It did, and not by rounding the cache. On Hopper the FP8 tensor core adds products up in about 14 bits. Over 131,072 tokens that ruined the sum: vLLM's needle test fell from 91 to 13 %. Moving partial sums to FP32 brought back 89 %, at the price of registers (vLLM blog, 2026-04-22, cited).",
    compute = function(lab)
      local rows = {}
      for i, n in ipairs { 1024, 16384 } do
        local a, b = lab.uniform { rows = 4, cols = n }, lab.uniform { rows = 4, cols = n, stream = 1 }
        local function off(kind) return fmt(100 * lab.accumulate { kind = kind, a = a, b = b }.relative) .. " %" end
        rows[i] = { fmt(n), off "acc14", off "acc14-promoted" }
      end
      return { rows = rows }
    end,
    reveal = function(o) return { view.table { caption = "Sums of products, off by; the accumulator emulated now", columns = { "products", "14 bits", "FP32 every 128" }, rows = o.rows } } end,
  },

  dive {
    id = "which-kivi", title = "Is the quantized cache of Hugging Face transformers KIVI?",
    "No. Its QuantizedCache rounds keys and values alike along the token, in groups of 64, with the newest 128 tokens in 16 bits. KIVI rounds keys along the channel. KVQuant goes further: keys along the channel before the rotary embedding mixes pairs of channels, and the few largest values kept apart; it finds values along the channel ruinous when a channel has one scale for all tokens (perplexity 223; arXiv:2401.18079, cited).",
    compute = function(lab)
      local k, v = lab.tensor("smollm2/k15"), lab.tensor("smollm2/v15")
      local function q(t, scale) return db(lab.quantize(t, { format = "int2", scale = scale, zero_point = "kivi" }).sqnr_db) end
      local kt, vt = k:transposed(), v:transposed()
      return { rows = { { "keys", q(k, "group:64"), q(kt, "group:64"), q(kt, "channel") }, { "values", q(v, "group:64"), q(vt, "group:64"), q(vt, "channel") } } }
    end,
    reveal = function(o) return { view.table { caption = "2 bits with a minimum, SmolLM2's layer 16, measured now", columns = { "", "along the token, 64", "64 tokens of a channel", "1,024 of a channel" }, rows = o.rows } } end,
  },

  -- what continues it -----------------------------------------------------------------------------------------------

  link { lesson = "quality", title = "Does it hurt?",
    "A lower loss may be noise: look at its standard error.",
    "KL and changed favorites move first.",
    "One changed favorite sends a text another way.",
    "The task decides whether it hurts." },
  link { lesson = "kv-cache", title = "What a conversation costs",
    "Each token leaves a key and a value in every layer that looks back.",
    "Bytes a token: 2, growing layers, key-value heads, head_dim, bytes a number.",
    "Windows, fixed states and shared vectors change the formula.",
    "The weights are shared by all chats, the cache is not." },
}
