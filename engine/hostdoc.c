/* hostdoc.c: what a lesson can call, in the editor's words.
 * tests/test_stubs.sh holds this list against the functions that the host really has. */
#include "engine/host.h"

static const struct host_doc docs[] = {
    { "lab.gaussian",
      "options: { n?: integer, rows?: integer, cols?: integer, sigma?: number, outliers?: number,"
      " times?: number, channels?: integer, channel_times?: number[], stream?: integer }",
      "tensor",
      "Seeded normal values: n of them, or rows x cols. A share `outliers` is `times` as large; `channels` columns are"
      " multiplied by factors within channel_times. Another `stream` gives independent values." },
    { "lab.tensor", "name: string", "tensor",
      "A real tensor: \"minilm/ffn_in\" (lessons/tensors/index.json names all), or \"./x.safetensors:name\" beside the"
      " lesson." },
    { "lab.values", "list: number[]", "tensor", "These numbers, as one row." },
    { "lab.quantize",
      "x: tensor, options: { format: string, scale?: string, zero_point?: string, clip?: string, mx?: string,"
      " rounding?: string, overflow?: string }",
      "quantized",
      "Rounds a tensor. scale: none, tensor, channel, token, group:N, block:N, tile:RxC, two-level (block formats"
      " bring their own; nvfp4 takes none to leave out the scale of the tensor); zero_point: none, full, awq, gptq,"
      " kivi; clip: none, percentile:P, mse; mx: floor, ceil; rounding: nearest, zero, stochastic; overflow:"
      " saturate, native." },
    { "lab.cast", "x: number, format: string, overflow?: string", "cast",
      "One number in one format, without a scale: a row for view.bits. overflow: saturate, native." },
    { "lab.decode", "bits: string, format: string", "cast",
      "What these bits mean in a format: a row for view.bits." },
    { "lab.format", "name: string", "format", "The facts of a number format." },
    { "lab.linear", "options: { x: tensor, w: tensor, weights?: table, activations?: table, smooth?: number }",
      "{ output_sqnr_db: number, weight_sqnr_db: number, bits_per_weight: number, divide?: tensor }",
      "A linear layer, x [tokens, in] and w [out, in], with rounded weights { format =, scale = } and activations"
      " { format =, scale = \"tensor\" or \"token\" }, against the exact product."
      " smooth: SmoothQuant's alpha; divide: its factors." },
    { "lab.method",
      "options: { w: tensor, x?: tensor, method?: string, format: string, scale?: string, zero_point?: string,"
      " clip?: string, mx?: string, rounding?: string, overflow?: string, activations?: string[], alpha?: number,"
      " damp?: number, act_order?: boolean, static_groups?: boolean, keep_range?: boolean, threshold?: number,"
      " held?: tensor }",
      "{ method: string, title: string, weight_sqnr_db: number, mse: number, bits_per_weight: number,"
      " zero_fraction: number, clipped_fraction: number, kept_columns: integer, alpha?: number,"
      " output_sqnr_db?: number, held_sqnr_db?: number, noise_sqnr_db: number, weights: tensor, divide?: tensor }",
      "A linear layer by a method: rtn, llm-int8, smoothquant, gptq, awq, hadamard. x: calibration inputs"
      " [tokens, in]; held: others, never seen by the method; noise_sqnr_db: on white noise. activations:"
      " { format, scale } of the inputs (llm-int8 and smoothquant round them anyway). alpha is searched unless"
      " given." },
    { "lab.kivi",
      "options: { k: tensor, v: tensor, format?: string, group?: integer, residual?: integer, q?: tensor }",
      "{ k_sqnr_db: number, v_sqnr_db: number, bits_per_value: number, k_bits: number, v_bits: number,"
      " k_residual: integer, v_residual: integer, k: tensor, v: tensor, output_sqnr_db?: number,"
      " attention_kl?: number }",
      "One head's cache [tokens, dim] as KIVI keeps it: K by channel, V by token, the newest `residual` tokens in FP16."
      " q: queries whose attention is compared." },
    { "lab.attend",
      "options: { q: tensor, k: tensor, v: tensor, rounded_k?: tensor, rounded_v?: tensor, heads?: integer,"
      " kv_heads?: integer }",
      "{ kl: number, relative: number, sqnr_db: number, queries: integer, weights: tensor }",
      "What attention makes of a rounded cache. The rows of q [queries, heads x dim] are the newest tokens; each looks"
      " at the tokens of k and v [tokens, kv_heads x dim] up to its own. kl: from the exact weights to the rounded"
      " ones, in nats, the mean over queries and heads; relative and sqnr_db: of the output; weights: how much each"
      " token gets of exact attention, on average. heads is 1 and kv_heads as many as heads unless given." },
    { "lab.accumulate", "options: { kind?: string, a: tensor, b: tensor }",
      "{ sum: number, exact: number, error: number, relative: number, sums: number[] }",
      "Dot products of rows in an accumulator: fp64, fp32, fp16, bf16, acc14, acc14-promoted, int32, maddubs (a from"
      " 0 to 255). sum, exact, error: of the first row; relative: over all." },
    { "lab.model", "options?: { outliers?: { channels?: integer, times?: number } }",
      "{ place: integer, parameters: integer, linear_weights: integer, layers: integer, width: integer,"
      " inner: integer, heads: integer, kv_heads: integer, head: integer, vocab: integer, context: integer,"
      " text_bytes: integer, outliers: integer, times: number }",
      "The lab model, a byte-level language model of the Llama kind. outliers: so many features made `times` as large"
      " where they enter the linear layers (a norm's gain up, the next weights down); its function does not change." },
    { "lab.quality",
      "options: { model?: table, weights?: table, activations?: table, kv?: table, tokens?: integer, runs?: table[] }",
      "{ bits_per_byte: number, fp32_bits_per_byte: number, delta: number, delta_se: number, kl: number, top1: number,"
      " bits_per_weight: number, rank: integer, label: string, tokens: integer }",
      "Held-out loss of the lab model under a scheme. weights: { format =, scale =, method =, alpha =, zero_point =,"
      " clip =, mx =, damp =, act_order =, folded = }, folded: the method only where a norm feeds the layer;"
      " activations and kv: { format =, scale = } with scale token (dynamic), tensor (static, calibrated)."
      " delta: bits a byte above FP32, delta_se its paired standard error; kl: nats a byte; top1: share that agrees"
      " with FP32. runs: several schemes, a list comes back; ranks are shared within two standard errors."
      " A GPU runs the model where that is faster, with the same bits." },
    { "lab.generate",
      "options: { model?: table, weights?: table, activations?: table, kv?: table, prompt?: string, bytes?: integer,"
      " temperature?: number }",
      "{ text: string, prompt: string, label: string }",
      "What the lab model writes under a scheme, after the prompt, drawn by the request's seed." },
    { "lab.parameter", "options: { model?: table, name: string }", "tensor",
      "Weights of a linear layer of the lab model, [out, in]: \"layers.2.mlp.down_proj\"." },
    { "lab.activations", "options: { model?: table, site: string, tokens?: integer }", "tensor",
      "What enters that linear layer of the unrounded lab model on the held-out text, [tokens, in]." },
    { "lab.gemv",
      "options: { formats: string[], rows?: integer, cols?: integer, batch?: integer, batches?: integer[],"
      " rounds?: integer, repeat?: integer, threads?: integer, device?: string }",
      "timings",
      "Times matrix x vector in each format, \"e4m3:bf16\" with these activations,"
      " or one format at several batches, in turn; .stream is a loop that only"
      " reads. Plain loops and large batches compute the first timed_rows of a large matrix; times are scaled to all."
      " device = \"cuda\": on the GPU that lab.machine().gpu names, with BF16 inputs, batches up to 64." },
    { "lab.attention",
      "options: { cases: { name: string, heads?: integer, kv_heads?: integer, head_dim?: integer, tokens?: integer,"
      " format?: string, sequences?: integer, prefill?: boolean }[], rounds?: integer, threads?: integer,"
      " device?: string }",
      "timings",
      "Times how one new token looks back, in each case, in turn; output_sqnr_db against FP64 over a BF16 cache."
      " device = \"cuda\": on the GPU; there also for many sequences, and with prefill for a whole prompt." },
    { "lab.read", "options: { threads?: integer }", "timing",
      "How fast this machine's memory is read: gb_per_s of the fastest of 15 passes." },
    { "lab.machine", "", "{ cpu: string, isa: string, cores: integer, cache_bytes: integer, gpu?: string }",
      "This machine; gpu: the one in use." },
    { "lab.config", "name: string", "table", "A model's config.json, of those in lessons/configs/: \"llama-3.1-8b\"." },
    { "lab.kv", "options: { config: string, kv_format?: string, context?: integer, sequences?: integer }", "table",
      "What a conversation costs: the fields of `saffron kv --json`, terms and obvious_terms for"
      " view.formula, layer_kinds: full, sliding or linear." },
    { "lab.weights", "options: { config: string, format?: string, head?: string }", "table",
      "What one token reads: streamed_bytes, linear_bytes, kept_bytes, head_bytes, checkpoint_bytes, terms." },
    { "lab.fit",
      "options: { config: string, memory: number, utilization?: number, weights?: string, kv_format?: string,"
      " context?: integer }",
      "{ sequences: integer, weights_bytes: number, kv_bytes: number, state_bytes: number,"
      " free_bytes: number }",
      "How many conversations fit beside the weights." },
    { "lab.uniform",
      "options: { n?: integer, rows?: integer, cols?: integer, from?: number, to?: number, stream?: integer }",
      "tensor",
      "Seeded values, evenly spread." },
    { "lab.laplace", "options: { n?: integer, rows?: integer, cols?: integer, stream?: integer }", "tensor",
      "Seeded values of unit variance, with longer tails than normal ones." },
    { "lab.product", "x: tensor, w: tensor", "tensor", "x [tokens, in] times w [out, in] transposed." },
    { "lab.compare", "exact: tensor, other: tensor",
      "{ sqnr_db: number, noise: number, signal: number, relative: number }", "How far `other` is from `exact`." },
    { "lab.counter", "options: { format?: string, add?: number, times?: integer, rounding?: string }",
      "{ value: number, x: number[], y: number[] }",
      "A counter that starts at 0 and is rounded to the format after each addition; x, y: its course." },
    { "lab.progress", "fraction: number, label?: string", "nil", "For a computation in several calls." },
    { "tensor.rows", "integer", NULL, "" },
    { "tensor.cols", "integer", NULL, "" },
    { "tensor.n", "integer", NULL, "rows x cols" },
    { "tensor.name", "string", NULL, "" },
    { "tensor.amax", "number", NULL, "largest |x|" },
    { "tensor.rms", "number", NULL, "root mean square" },
    { "tensor:at", "row: integer, col: integer", "number", "One value, from 1." },
    { "tensor:columns", "", "{ index: integer, amax: number, times: number }[]",
      "The 64 largest columns (index from 0), each with how many times the median column it is." },
    { "tensor:take", "rows: integer, cols?: integer", "tensor", "The first rows and columns." },
    { "tensor:transposed", "", "tensor", "Rows and columns exchanged." },
    { "tensor.nonfinite", "integer", NULL, "values that are NaN or infinite" },
    { "tensor:with",
      "options: { rows?: integer|integer[], cols?: integer|integer[], times?: number, value?: number,"
      " count?: integer }",
      "tensor", "A copy with a rectangle, from 1 { from, to }, multiplied or set; count: so many values anywhere." },
    { "tensor:clipped", "options: { share?: number, limit?: number }", "tensor",
      "A copy with each row clamped to a share of its largest, or every value to a limit." },
    { "tensor:minus", "other: tensor", "tensor", "The differences." },
    { "tensor:shuffled", "", "tensor", "The same values in another order." },
    { "tensor:replaced", "other: tensor|number, columns: integer[]", "tensor",
      "A copy with these columns, from 1, of another tensor, or 0." },
    { "tensor:multiplied", "factors: tensor", "tensor", "A copy with each column times its element of one row." },
    { "tensor:divided", "factors: tensor", "tensor", "A copy with each column divided by its element of one row." },
    { "tensor:correlated", "r: number", "tensor",
      "A copy whose columns, independent before and of one size, correlate with their neighbors by r." },
    { "tensor:rotated", "", "tensor", "A copy with each row turned by the Hadamard rotation of its length." },
    { "tensor:maxima", "part: string", "tensor", "The largest |x| of each \"row\" or \"column\", as one row." },
    { "tensor:count", "limit: number", "integer", "How many values exceed it in size." },
    { "tensor:top", "n: integer", "{ row: integer, col: integer, value: number }[]",
      "The n largest values by size, at most 256." },
    { "quantized.mse", "number", NULL, "" },
    { "quantized.sqnr_db", "number", NULL, "signal to noise" },
    { "quantized.max_abs_error", "number", NULL, "" },
    { "quantized.zero_fraction", "number", NULL, "share that decodes to 0" },
    { "quantized.clipped_fraction", "number", NULL, "share beyond the largest value" },
    { "quantized.bits_per_weight", "number", NULL, "scales included" },
    { "quantized.scale", "number", NULL, "the first" },
    { "quantized.step", "number", NULL, "between codes at zero, under the first scale" },
    { "quantized.amax", "number", NULL, "" },
    { "quantized.noise", "number", NULL, "sum of squared errors" },
    { "quantized.signal", "number", NULL, "sum of squares" },
    { "quantized.nonfinite", "number", NULL, "" },
    { "quantized.rows", "number", NULL, "" },
    { "quantized.cols", "number", NULL, "" },
    { "quantized.tensor_scale", "number", NULL, "of the whole tensor, under two-level scales" },
    { "quantized.format", "string", NULL, "" },
    { "quantized.values", "tensor", NULL, "decoded" },
    { "quantized:at", "row: integer, col: integer", "number", "A decoded value, from 1." },
    { "quantized:errors", "part?: string", "tensor",
      "Mean squared error of each \"row\", \"column\" or \"block\" (what shares a scale)." },
    { "quantized:error_share", "threshold: number", "number",
      "Share of the squared error on values up to |x| = threshold." },
};

const struct host_doc *host_doc(size_t i)
{
    return i < sizeof docs / sizeof docs[0] ? &docs[i] : NULL;
}
