-- Cheaper memory of the conversation: which way keys and values want their scales, what "2 bits" costs, and what it is for.
-- K and V of SmolLM2-135M, the lab model under a rounded cache, and attention timed here. Nothing was planted.

local function db(x) return string.format("%.1f dB", x) end

-- Rounds a cache [tokens, channels] to whole numbers with a stored minimum; along a token's row or a channel's column.
local function round(lab, t, format, way, group)
  return lab.quantize(way == "channel" and t:transposed() or t, { format = format, scale = "group:" .. group, zero_point = "kivi" })
end

return lesson {
  id = "kv-quant", title = "Cheaper memory of the conversation", course_part = "C", minutes = 13, needs = { "kv-cache", "scales" },
  win = "choose a format for a KV cache, say what it truly costs in bits, and when it is faster",
  sources = {
    "SmolLM2-135M-Instruct (Apache-2.0) for K and V, from a package whose weights have 4 bits",
    "the lab model of lessons/model (4.85 million parameters, trained for Saffron on public-domain text)",
    "arXiv:2402.02750 KIVI; arXiv:2401.18079 KVQuant",
    "vLLM blog, 2026-04-22, FP8 KV cache",
  },

  -- which way -------------------------------------------------------------------------------------------------------

  part { id = "way", title = "which way", core = true },

  read {
    id = "setting", title = "Two tables that grow",
    "For each token a layer keeps a key, which says when to look here, and a value, which says what to take along. Each new token adds a row to both tables and reads all the rows before it. In a long chat they outgrow the weights.",
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
      return { answer = ids, list = list, by = by, bits = list[1].bits, k = k:take(256, 64), v = v:take(256, 64) }
    end,
    reveal = function(o)
      local bars, k, v = {}, o.by["k-channel"] - o.by["k-token"], o.by["v-channel"] - o.by["v-token"]
      for i, e in ipairs(o.list) do bars[i] = { label = e.label, value = math.max(0, e.db), role = i == 1 and "outcome" or nil } end
      return {
        view.maps { beside = true, title = "One head: 256 tokens down, 64 channels across", maps = { { o.k, label = "keys" }, { o.v, label = "values" } } },
        view.bars { title = "SQNR at " .. fmt(o.bits) .. " bits a number, scales and minima included", unit = "dB", bars = bars },
        string.format("Keys have stripes: a channel is large at token after token. Along the row one stripe sets the step for all; along the column it meets only itself, and gains %s.", db(k)),
        string.format("Values gain %s: %s.", db(v), v < 0.5 * k and "they have no such stripes, and a channel is only a little like itself" or "in this layer some of their channels are large too"),
        "Then why does KIVI round values along the token? A token's value can be rounded the moment it comes. A column must wait until 32 tokens are there, and until then they stay in 16 bits. It waits where the wait pays: for keys.",
      }
    end,
    card = {
      front = "Which way do keys want their scales, which way may values have theirs, and why?",
      back = "Keys along the channel: a few channels are large at every token. Values have no such stripes, so they may go along the token, where each can be rounded as it comes.",
      again = "Rounding keys along the token's row: who pays for what?",
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
      local n = math.floor(knob.tokens + 0.5)
      local r = lab.kivi { k = lab.tensor("smollm2/k15"):take(n, 64), v = lab.tensor("smollm2/v15"):take(n, 64), format = knob.format, group = tonumber(knob.group), residual = 128 }
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
      back = "About 4.6: 2 and 1 for scale and minimum, and a quarter of the values still has 16 bits. In long chats it comes down to 3, never to 2.",
      again = "Does a 2-bit KV cache save eight times? What does it save at 512 tokens, what at 32,768?",
    },
  },
}
