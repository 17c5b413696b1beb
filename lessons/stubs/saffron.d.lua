---@meta
-- What a Saffron lesson can use. Made by `make stubs`; not read by Saffron itself.
error "for editors only"

---@class lesson_fields
---@field id string stable: progress hangs on it
---@field title string
---@field win string after this you can ...
---@field minutes? number about how long it takes
---@field sources? string[] what the lesson rests on
---@field course_part? string where the map lists it
---@field needs? string[] lessons to do first
---@field [integer] any

--- the lesson; steps, parts, dives and links follow in order
---@param fields lesson_fields
---@return table
function lesson(fields) end

---@class part_fields
---@field id string
---@field title string for the header
---@field core? boolean part of the core path
---@field [integer] any

--- the steps that follow belong to it
---@param fields part_fields
---@return table
function part(fields) end

---@class read_fields
---@field id string
---@field title? string for the jump menu
---@field dives? string[]
---@field links? string[]
---@field [integer] any

--- paragraphs and blocks
---@param fields read_fields
---@return table
function read(fields) end

---@class predict_fields
---@field id string stable
---@field rev? integer raise it when the question changes
---@field title? string for the jump menu
---@field ask? string|(string|block)[] the question
---@field given? (string|block)[]|fun(lab: lab): (string|block)[] facts before the commit
---@field number? number_rule a typed number
---@field choice? option[] one of several
---@field order? order_rule items to rank
---@field place? place_rule a mark on an axis
---@field hints? string[] in stages; none says the answer
---@field wrong? any[] typical wrong answers
---@field knobs? table<string, knob> to turn after the reveal
---@field compute? fun(lab: lab, knob: table): table the computation; never sees the guess
---@field answer? any a cited answer, with source
---@field source? string of the cited answer
---@field correct? fun(outcome: table): string which option the computation says is right
---@field because? string the mechanism: an author's claim
---@field reveal? (string|block)[]|fun(outcome: table, guess: guess?): (string|block)[] what is shown then
---@field card? card for recall
---@field takeaway? string what to remember, where no card asks for it later
---@field dives? string[] ids of deep dives
---@field links? string[] ids of lessons
---@field [integer] any

--- a question that is computed after the learner has committed to a guess
---@param fields predict_fields
---@return table
function predict(fields) end

---@class fill_fields
---@field id string
---@field rev? integer
---@field title? string
---@field ask? string|(string|block)[]
---@field columns? column[] what is filled in
---@field reveal? (string|block)[] shown after
---@field card? card
---@field hints? string[]
---@field dives? string[]
---@field links? string[]
---@field [integer] any

--- a table that the learner completes: rows { label, right cell, ... }
---@param fields fill_fields
---@return table
function fill(fields) end

---@class recall_fields
---@field id string
---@field title? string
---@field front? string the question
---@field back? string the answer
---@field again? string the question in other words
---@field answer? number|string|string[] typed and judged
---@field unit? string of a number
---@field within? string of a number
---@field dives? string[]
---@field links? string[]
---@field [integer] any

--- a card of its own
---@param fields recall_fields
---@return table
function recall(fields) end

---@class explain_fields
---@field id string
---@field title? string
---@field ask? string|(string|block)[]
---@field model? string our words, to compare with
---@field dives? string[]
---@field links? string[]
---@field [integer] any

--- the learner writes, then compares
---@param fields explain_fields
---@return table
function explain(fields) end

---@class explore_fields
---@field id string
---@field rev? integer
---@field title? string
---@field ask? string|(string|block)[]
---@field knobs? table<string, knob>
---@field compute? fun(lab: lab, knob: table): table
---@field reveal? fun(outcome: table): (string|block)[]
---@field dives? string[]
---@field links? string[]
---@field [integer] any

--- knobs only
---@param fields explore_fields
---@return table
function explore(fields) end

---@class dive_fields
---@field id string
---@field title string the question it answers
---@field compute? fun(lab: lab): table what settles it, computed when it is read
---@field reveal? fun(outcome: table): (string|block)[] shown below the text
---@field [integer] any

--- a deep dive
---@param fields dive_fields
---@return table
function dive(fields) end

---@class link_fields
---@field lesson string its id
---@field title string
---@field [integer] any

--- a lesson that continues this; lines of a primer follow
---@param fields link_fields
---@return table
function link(fields) end

---@class number_rule a typed number
---@field unit? string %, KiB, x, dB ...
---@field scale? "linear"|"log" of the axis
---@field within string exact, 25 %, 3 points, 2 x
---@field from? number of the axis
---@field to? number of the axis

---@class place_rule a mark on an axis
---@field from number
---@field to number
---@field unit? string
---@field scale? "linear"|"log" of the axis
---@field tick? number distance the mark moves
---@field within string tick, 3 points, 10 %

---@class card a recall card
---@field front string the question
---@field back string the answer
---@field again? string the question in other words
---@field answer? any typed and judged: a number, or texts of which one is meant
---@field unit? string of a number
---@field within? string of a number: exact, 5 %, 3 points; default 2 %
---@field live? boolean always asks for the number, computed with another seed

---@class option
---@field [1] string id
---@field [2] string what the learner reads

---@class order_rule
---@field first string what the top of the list means
---@field [integer] option

---@class column
---@field title string
---@field choices string[]

---@class guess
---@field value any
---@field text string
---@field confidence any
---@field hit boolean

---@class knob
---@field [1] number|string|boolean where it starts
---@field from? number
---@field to? number
---@field scale? "linear"|"log"
---@field step? number
---@field unit? string
---@field label? string
---@field choices? string[]
---@field at? integer its place among the knobs

-- A text alone, or in first place, is a view's text; lists in first place are its rows, terms, bars ...:
-- view.note "...", view.table { { 1, 2 }, { 3, 4 }, columns = { "a", "b" } }

---@class block what view.NAME gives

view = {}

---@class heading_fields a heading
---@field text string

--- a heading
---@param fields heading_fields|string|table
---@return block
function view.heading(fields) end

---@class prose_fields one paragraph
---@field text string
---@field big? boolean the figure a question is about, alone on its line

--- one paragraph
---@param fields prose_fields|string|table
---@return block
function view.prose(fields) end

---@class note_fields an aside
---@field title? string what it is about
---@field text string
---@field beside? boolean on wide screens it stands beside what is above it

--- an aside
---@param fields note_fields|string|table
---@return block
function view.note(fields) end

---@class quote_fields the pantry analogy
---@field text string

--- the pantry analogy
---@param fields quote_fields|string|table
---@return block
function view.quote(fields) end

---@class code_fields source or a config
---@field text string lines
---@field caption? string file and function
---@field beside? boolean on wide screens it stands beside what is above it

--- source or a config
---@param fields code_fields|string|table
---@return block
function view.code(fields) end

---@class table_fields a table
---@field columns? string[] titles
---@field rows (string|number|boolean)[][] cells
---@field caption? string
---@field source? string of cited figures

--- a table
---@param fields table_fields|string|table
---@return block
function view.table(fields) end

---@class term a line of a formula
---@field label string what is multiplied
---@field value number its value
---@field unit? string of the value
---@field op? "*"|"/"|"+"|"-"|"=" how it joins the running result; the first is =; default *
---@field source? string where the value stands
---@field struck? boolean shown struck out, and left out of the result
---@field note? string a short remark

---@class formula_fields a product, one term a line
---@field title? string
---@field terms term[]
---@field result? string name of the result
---@field unit? string of the result
---@field note? string

--- a product, one term a line
---@param fields formula_fields|string|table
---@return block
function view.formula(fields) end

---@class bits_row the code of one value in one format
---@field label string the format's title
---@field value? string the decoded value
---@field bits string '0' and '1', most significant first
---@field lanes integer[] widths: sign, exponent, mantissa
---@field step? string distance to the next value
---@field note? string
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is

---@class bits_fields sign, exponent and mantissa lanes
---@field rows bits_row[]
---@field caption? string

--- sign, exponent and mantissa lanes
---@param fields bits_fields|string|table
---@return block
function view.bits(fields) end

---@class mark a mark on an axis
---@field at number where on the axis
---@field label? string a word or a number
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is

---@class grid_fields a number line
---@field from number
---@field to number
---@field scale? "linear"|"log" of the axis
---@field unit? string
---@field title? string
---@field values? number[] the format's values in [from, to]
---@field marks? mark[]
---@field [1]? quantized whose values under its first scale are marked
---@field format? string or those of a format, by its name

--- a number line
---@param fields grid_fields|string|table
---@return block
function view.grid(fields) end

---@class hist_fields a histogram over a grid
---@field from? number
---@field to? number
---@field title? string
---@field unit? string
---@field counts? number[] values a bin
---@field after? number[] the same bins after rounding
---@field values? number[] the grid's values in [from, to]
---@field marks? mark[]
---@field note? string
---@field [1]? tensor whose values are counted; then from, to and counts need not be given
---@field grid? quantized|tensor of it: the values and counts after rounding
---@field bins? integer 2 to 256, default 64

--- a histogram over a grid
---@param fields hist_fields|string|table
---@return block
function view.hist(fields) end

---@class column_mark a column worth pointing at
---@field at integer column, from 0
---@field label? string

---@class heat_fields a matrix as levels
---@field title? string
---@field rows? string[] one string a row, one of '0'..'9', 'a'..'f' a cell (16 levels), 'n' for NaN
---@field shape? integer[] rows and columns of the matrix before it was reduced
---@field row? string what a row is
---@field column? string what a column is
---@field low? string what level 0 stands for
---@field high? string what level 15 stands for
---@field measure? string |x|, error
---@field marks? column_mark[] columns of the matrix
---@field [1]? tensor|quantized |x| of a tensor, the size of the error of a quantized one; then rows and shape need not be given

--- a matrix as levels
---@param fields heat_fields|string|table
---@return block
function view.heat(fields) end

---@class map one of several matrices
---@field label string
---@field note? string a second line: its figure
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is
---@field levels? string[] as the rows of heat
---@field [1]? tensor|quantized |x|, or the size of the error; then levels need not be given

---@class maps_fields several matrices on one scale
---@field title? string
---@field maps map[]
---@field beside? boolean side by side, not as strips
---@field low? string what level 0 stands for
---@field high? string what level 15 stands for
---@field measure? string |x|, error

--- several matrices on one scale
---@param fields maps_fields|string|table
---@return block
function view.maps(fields) end

---@class part a part of a bar or a stack
---@field label string
---@field value number
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is

---@class bar one bar
---@field label string
---@field value? number its length; absent when it has parts
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is
---@field note? string behind the bar
---@field parts? part[] split into parts
---@field low? number spread, lower end
---@field high? number spread, upper end
---@field guess? number the learner's value for this bar

---@class bars_fields bars on one axis
---@field title? string
---@field bars bar[]
---@field unit? string
---@field scale? "linear"|"log" of the axis
---@field from? number default 0
---@field to? number default the largest
---@field marks? mark[] on the bars' axis

--- bars on one axis
---@param fields bars_fields|string|table
---@return block
function view.bars(fields) end

---@class interval a value and its interval
---@field label string
---@field value number
---@field low? number lower end
---@field high? number upper end
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is
---@field cells? string[] what stands in the columns, the value's number among it; absent: that stands behind
---@field focused? boolean

---@class intervals_fields values with intervals on one axis
---@field title? string what the axis measures
---@field rows interval[]
---@field unit? string of the values
---@field columns? string[] titles
---@field spare? integer so many of the last columns may be left out where it is narrow
---@field from? number default the least, at most 0
---@field to? number default the largest, at least 0
---@field knee? number beyond this, on both sides of 0, the axis is logarithmic; default linear

--- values with intervals on one axis
---@param fields intervals_fields|string|table
---@return block
function view.intervals(fields) end

---@class series one curve
---@field label string
---@field x number[]
---@field y number[]
---@field style? "line"|"step"|"points" default line
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is

---@class axis one axis of a plot
---@field label? string what it measures
---@field unit? string its unit
---@field scale? "linear"|"log" of the axis
---@field from? number
---@field to? number

---@class reference a reference line
---@field x? number a vertical line here
---@field y? number or a horizontal one
---@field label? string
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is

---@class plot_fields curves
---@field title? string
---@field series series[]
---@field x? axis
---@field y? axis
---@field refs? reference[]
---@field guess? reference the learner's value, on x or on y

--- curves
---@param fields plot_fields|string|table
---@return block
function view.plot(fields) end

---@class roof a machine's two limits
---@field label string the machine
---@field bandwidth number bytes a second
---@field peak number FLOPs a second
---@field source? string measured, or the data sheet

---@class roofline_point a kernel on a roofline
---@field label string
---@field intensity number FLOPs a byte
---@field speed number FLOPs a second
---@field role? "guess"|"outcome"|"value"|"wrong"|"limit"|"plain" whose mark it is

---@class roofline_fields attainable speed over FLOPs a byte
---@field title? string
---@field roofs roof[]
---@field points? roofline_point[]

--- attainable speed over FLOPs a byte
---@param fields roofline_fields|string|table
---@return block
function view.roofline(fields) end

---@class stack_row one stack
---@field label string
---@field parts part[] in order
---@field note? string behind the stack

---@class stack_fields memory budgets
---@field title? string
---@field rows stack_row[]
---@field capacity number of each row
---@field unit? string
---@field marks? mark[]

--- memory budgets
---@param fields stack_fields|string|table
---@return block
function view.stack(fields) end

---@class lab what computes; inside compute() and given()
local lab = {}

---@class timing
---@field format string
---@field name string of lab.attention's
---@field seconds number the median
---@field low number the middle half from here
---@field high number to here
---@field fastest number
---@field times number how many times faster than the first, by rounds; the median
---@field times_low number
---@field times_high number
---@field bytes number
---@field gb_per_s number
---@field flops number
---@field kernel string
---@field activations string of lab.gemv's: fp32, int8 or bf16
---@field granularity string how fine the activations' scales are
---@field timed_rows integer what was computed of lab.gemv's rows; times are of all
---@field output_sqnr_db number of lab.attention's

---@class timings
---@field [integer] timing
---@field stream timing
---@field order string[] fastest first
---@field ties string for an outcome: 'a=b c'
---@field noisy? string for an outcome's `unscored`
---@field rounds integer
---@field dropped integer interrupted rounds

---@class cast
---@field value number
---@field code integer
---@field bits string
---@field lanes integer[]
---@field step number
---@field title string
---@field format string

---@class format
---@field name string
---@field title string
---@field bits integer
---@field lanes integer[]
---@field max number
---@field normal number
---@field smallest number
---@field scale string the one it has unless told otherwise
---@field block integer values that share a scale it brings, else 0
---@field bits_per_weight number
---@field values fun(from?: number, to?: number): number[]
---@field count fun(from?: number, to?: number): integer

---@class tensor
local tensor = {}

---@class quantized
local quantized = {}

--- Seeded normal values: n of them, or rows x cols. A share `outliers` is `times` as large; `channels` columns are multiplied by factors within channel_times. Another `stream` gives independent values.
---@param options { n?: integer, rows?: integer, cols?: integer, sigma?: number, outliers?: number, times?: number, channels?: integer, channel_times?: number[], stream?: integer }
---@return tensor
function lab.gaussian(options) end

--- A real tensor: "minilm/ffn_in" (lessons/tensors/index.json names all), or "./x.safetensors:name" beside the lesson.
---@param name string
---@return tensor
function lab.tensor(name) end

--- These numbers, as one row.
---@param list number[]
---@return tensor
function lab.values(list) end

--- Rounds a tensor. scale: none, tensor, channel, token, group:N, block:N, tile:RxC, two-level (block formats bring their own; nvfp4 takes none to leave out the scale of the tensor); zero_point: none, full, awq, gptq, kivi; clip: none, percentile:P, mse; mx: floor, ceil; rounding: nearest, zero, stochastic; overflow: saturate, native.
---@param x tensor
---@param options { format: string, scale?: string, zero_point?: string, clip?: string, mx?: string, rounding?: string, overflow?: string }
---@return quantized
function lab.quantize(x, options) end

--- One number in one format, without a scale: a row for view.bits. overflow: saturate, native.
---@param x number
---@param format string
---@param overflow? string
---@return cast
function lab.cast(x, format, overflow) end

--- What these bits mean in a format: a row for view.bits.
---@param bits string
---@param format string
---@return cast
function lab.decode(bits, format) end

--- The facts of a number format.
---@param name string
---@return format
function lab.format(name) end

--- A linear layer, x [tokens, in] and w [out, in], with rounded weights { format =, scale = } and activations { format =, scale = "tensor" or "token" }, against the exact product. smooth: SmoothQuant's alpha; divide: its factors.
---@param options { x: tensor, w: tensor, weights?: table, activations?: table, smooth?: number }
---@return { output_sqnr_db: number, weight_sqnr_db: number, bits_per_weight: number, divide?: tensor }
function lab.linear(options) end

--- A linear layer by a method: rtn, llm-int8, smoothquant, gptq, awq, hadamard. x: calibration inputs [tokens, in]; held: others, never seen by the method; noise_sqnr_db: on white noise. activations: { format, scale } of the inputs (llm-int8 and smoothquant round them anyway). alpha is searched unless given.
---@param options { w: tensor, x?: tensor, method?: string, format: string, scale?: string, zero_point?: string, clip?: string, mx?: string, rounding?: string, overflow?: string, activations?: string[], alpha?: number, damp?: number, act_order?: boolean, static_groups?: boolean, keep_range?: boolean, threshold?: number, held?: tensor }
---@return { method: string, title: string, weight_sqnr_db: number, mse: number, bits_per_weight: number, zero_fraction: number, clipped_fraction: number, kept_columns: integer, alpha?: number, output_sqnr_db?: number, held_sqnr_db?: number, noise_sqnr_db: number, weights: tensor, divide?: tensor }
function lab.method(options) end

--- One head's cache [tokens, dim] as KIVI keeps it: K by channel, V by token, the newest `residual` tokens in FP16. q: queries whose attention is compared.
---@param options { k: tensor, v: tensor, format?: string, group?: integer, residual?: integer, q?: tensor }
---@return { k_sqnr_db: number, v_sqnr_db: number, bits_per_value: number, k_bits: number, v_bits: number, k_residual: integer, v_residual: integer, k: tensor, v: tensor, output_sqnr_db?: number, attention_kl?: number }
function lab.kivi(options) end

--- What attention makes of a rounded cache. The rows of q [queries, heads x dim] are the newest tokens; each looks at the tokens of k and v [tokens, kv_heads x dim] up to its own. kl: from the exact weights to the rounded ones, in nats, the mean over queries and heads; relative and sqnr_db: of the output; weights: how much each token gets of exact attention, on average. heads is 1 and kv_heads as many as heads unless given.
---@param options { q: tensor, k: tensor, v: tensor, rounded_k?: tensor, rounded_v?: tensor, heads?: integer, kv_heads?: integer }
---@return { kl: number, relative: number, sqnr_db: number, queries: integer, weights: tensor }
function lab.attend(options) end

--- Dot products of rows in an accumulator: fp64, fp32, fp16, bf16, acc14, acc14-promoted, int32, maddubs (a from 0 to 255). sum, exact, error: of the first row; relative: over all.
---@param options { kind?: string, a: tensor, b: tensor }
---@return { sum: number, exact: number, error: number, relative: number, sums: number[] }
function lab.accumulate(options) end

--- The lab model, a byte-level language model of the Llama kind. outliers: so many features made `times` as large where they enter the linear layers (a norm's gain up, the next weights down); its function does not change.
---@param options? { outliers?: { channels?: integer, times?: number } }
---@return { place: integer, parameters: integer, linear_weights: integer, layers: integer, width: integer, inner: integer, heads: integer, kv_heads: integer, head: integer, vocab: integer, context: integer, text_bytes: integer, outliers: integer, times: number }
function lab.model(options) end

--- Held-out loss of the lab model under a scheme. weights: { format =, scale =, method =, alpha =, zero_point =, clip =, mx =, damp =, act_order =, folded = }, folded: the method only where a norm feeds the layer; activations and kv: { format =, scale = } with scale token (dynamic), tensor (static, calibrated). delta: bits a byte above FP32, delta_se its paired standard error; kl: nats a byte; top1: share that agrees with FP32. runs: several schemes, a list comes back; ranks are shared within two standard errors. A GPU runs the model where that is faster, with the same bits.
---@param options { model?: table, weights?: table, activations?: table, kv?: table, tokens?: integer, runs?: table[] }
---@return { bits_per_byte: number, fp32_bits_per_byte: number, delta: number, delta_se: number, kl: number, top1: number, bits_per_weight: number, rank: integer, label: string, tokens: integer }
function lab.quality(options) end

--- What the lab model writes under a scheme, after the prompt, drawn by the request's seed.
---@param options { model?: table, weights?: table, activations?: table, kv?: table, prompt?: string, bytes?: integer, temperature?: number }
---@return { text: string, prompt: string, label: string }
function lab.generate(options) end

--- Weights of a linear layer of the lab model, [out, in]: "layers.2.mlp.down_proj".
---@param options { model?: table, name: string }
---@return tensor
function lab.parameter(options) end

--- What enters that linear layer of the unrounded lab model on the held-out text, [tokens, in].
---@param options { model?: table, site: string, tokens?: integer }
---@return tensor
function lab.activations(options) end

--- Times matrix x vector in each format, "e4m3:bf16" with these activations, or one format at several batches, in turn; .stream is a loop that only reads. Plain loops and large batches compute the first timed_rows of a large matrix; times are scaled to all. device = "cuda": on the GPU that lab.machine().gpu names, with BF16 inputs, batches up to 64.
---@param options { formats: string[], rows?: integer, cols?: integer, batch?: integer, batches?: integer[], rounds?: integer, repeat?: integer, threads?: integer, device?: string }
---@return timings
function lab.gemv(options) end

--- Times how one new token looks back, in each case, in turn; output_sqnr_db against FP64 over a BF16 cache. device = "cuda": on the GPU; there also for many sequences, and with prefill for a whole prompt.
---@param options { cases: { name: string, heads?: integer, kv_heads?: integer, head_dim?: integer, tokens?: integer, format?: string, sequences?: integer, prefill?: boolean }[], rounds?: integer, threads?: integer, device?: string }
---@return timings
function lab.attention(options) end

--- How fast this machine's memory is read: gb_per_s of the fastest of 15 passes.
---@param options { threads?: integer }
---@return timing
function lab.read(options) end

--- This machine; gpu: the one in use.
---@return { cpu: string, isa: string, cores: integer, cache_bytes: integer, gpu?: string }
function lab.machine() end

--- A model's config.json, of those in lessons/configs/: "llama-3.1-8b".
---@param name string
---@return table
function lab.config(name) end

--- What a conversation costs: the fields of `saffron kv --json`, terms and obvious_terms for view.formula, layer_kinds: full, sliding or linear.
---@param options { config: string, kv_format?: string, context?: integer, sequences?: integer }
---@return table
function lab.kv(options) end

--- What one token reads: streamed_bytes, linear_bytes, kept_bytes, head_bytes, checkpoint_bytes, terms.
---@param options { config: string, format?: string, head?: string }
---@return table
function lab.weights(options) end

--- How many conversations fit beside the weights.
---@param options { config: string, memory: number, utilization?: number, weights?: string, kv_format?: string, context?: integer }
---@return { sequences: integer, weights_bytes: number, kv_bytes: number, state_bytes: number, free_bytes: number }
function lab.fit(options) end

--- Seeded values, evenly spread.
---@param options { n?: integer, rows?: integer, cols?: integer, from?: number, to?: number, stream?: integer }
---@return tensor
function lab.uniform(options) end

--- Seeded values of unit variance, with longer tails than normal ones.
---@param options { n?: integer, rows?: integer, cols?: integer, stream?: integer }
---@return tensor
function lab.laplace(options) end

--- x [tokens, in] times w [out, in] transposed.
---@param x tensor
---@param w tensor
---@return tensor
function lab.product(x, w) end

--- How far `other` is from `exact`.
---@param exact tensor
---@param other tensor
---@return { sqnr_db: number, noise: number, signal: number, relative: number }
function lab.compare(exact, other) end

--- A counter that starts at 0 and is rounded to the format after each addition; x, y: its course.
---@param options { format?: string, add?: number, times?: integer, rounding?: string }
---@return { value: number, x: number[], y: number[] }
function lab.counter(options) end

--- For a computation in several calls.
---@param fraction number
---@param label? string
---@return nil
function lab.progress(fraction, label) end

---@type integer
tensor.rows = nil

---@type integer
tensor.cols = nil

--- rows x cols
---@type integer
tensor.n = nil

---@type string
tensor.name = nil

--- largest |x|
---@type number
tensor.amax = nil

--- root mean square
---@type number
tensor.rms = nil

--- One value, from 1.
---@param row integer
---@param col integer
---@return number
function tensor:at(row, col) end

--- The 64 largest columns (index from 0), each with how many times the median column it is.
---@return { index: integer, amax: number, times: number }[]
function tensor:columns() end

--- The first rows and columns.
---@param rows integer
---@param cols? integer
---@return tensor
function tensor:take(rows, cols) end

--- Rows and columns exchanged.
---@return tensor
function tensor:transposed() end

--- values that are NaN or infinite
---@type integer
tensor.nonfinite = nil

--- A copy with a rectangle, from 1 { from, to }, multiplied or set; count: so many values anywhere.
---@param options { rows?: integer|integer[], cols?: integer|integer[], times?: number, value?: number, count?: integer }
---@return tensor
function tensor:with(options) end

--- A copy with each row clamped to a share of its largest, or every value to a limit.
---@param options { share?: number, limit?: number }
---@return tensor
function tensor:clipped(options) end

--- The differences.
---@param other tensor
---@return tensor
function tensor:minus(other) end

--- The same values in another order.
---@return tensor
function tensor:shuffled() end

--- A copy with these columns, from 1, of another tensor, or 0.
---@param other tensor|number
---@param columns integer[]
---@return tensor
function tensor:replaced(other, columns) end

--- A copy with each column times its element of one row.
---@param factors tensor
---@return tensor
function tensor:multiplied(factors) end

--- A copy with each column divided by its element of one row.
---@param factors tensor
---@return tensor
function tensor:divided(factors) end

--- A copy whose columns, independent before and of one size, correlate with their neighbors by r.
---@param r number
---@return tensor
function tensor:correlated(r) end

--- A copy with each row turned by the Hadamard rotation of its length.
---@return tensor
function tensor:rotated() end

--- The largest |x| of each "row" or "column", as one row.
---@param part string
---@return tensor
function tensor:maxima(part) end

--- How many values exceed it in size.
---@param limit number
---@return integer
function tensor:count(limit) end

--- The n largest values by size, at most 256.
---@param n integer
---@return { row: integer, col: integer, value: number }[]
function tensor:top(n) end

---@type number
quantized.mse = nil

--- signal to noise
---@type number
quantized.sqnr_db = nil

---@type number
quantized.max_abs_error = nil

--- share that decodes to 0
---@type number
quantized.zero_fraction = nil

--- share beyond the largest value
---@type number
quantized.clipped_fraction = nil

--- scales included
---@type number
quantized.bits_per_weight = nil

--- the first
---@type number
quantized.scale = nil

--- between codes at zero, under the first scale
---@type number
quantized.step = nil

---@type number
quantized.amax = nil

--- sum of squared errors
---@type number
quantized.noise = nil

--- sum of squares
---@type number
quantized.signal = nil

---@type number
quantized.nonfinite = nil

---@type number
quantized.rows = nil

---@type number
quantized.cols = nil

--- of the whole tensor, under two-level scales
---@type number
quantized.tensor_scale = nil

---@type string
quantized.format = nil

--- decoded
---@type tensor
quantized.values = nil

--- A decoded value, from 1.
---@param row integer
---@param col integer
---@return number
function quantized:at(row, col) end

--- Mean squared error of each "row", "column" or "block" (what shares a scale).
---@param part? string
---@return tensor
function quantized:errors(part) end

--- Share of the squared error on values up to |x| = threshold.
---@param threshold number
---@return number
function quantized:error_share(threshold) end

--- A number as the screen writes it; with decimals, or with a unit.
---@param x number
---@param how? integer|string
---@return string
function fmt(x, how) end
