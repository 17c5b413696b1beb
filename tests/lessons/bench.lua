-- What bench_tutor.c turns: a heat map that is wholly replaced, and a long computation to type beside.
return lesson {
  id = "bench", title = "Bench", win = "measure the tutor",
  explore {
    id = "heat", ask = "A million values, quantized.",
    knobs = { times = { 10, from = 1, to = 100, step = 1, label = "outlier x" } },
    compute = function(lab, knob)
      local x = lab.gaussian { rows = 1024, cols = 1024, outliers = 0.01, times = knob.times }
      local q = lab.quantize(x, { format = "int4", scale = "token" })
      return { x = x, q = q }
    end,
    reveal = function(outcome)
      return { view.heat { outcome.q, title = "error", row = "token", column = "feature" } }
    end,
  },
}
