-- What lab and its tensors do, held to what they say: `saffron check` runs each step, and a failed assert is a finding.
local function is(what, value, expected, within)
  if not (math.abs(value - expected) <= (within or 0)) then
    error(what .. ": " .. tostring(value) .. ", expected " .. tostring(expected), 2)
  end
end

local function refuses(what, words, f, ...)
  local done, said = pcall(f, ...)
  if done or not tostring(said):find(words, 1, true) then error(what .. " was not refused for '" .. words .. "': " .. tostring(said), 2) end
end

local function step(id, checks)
  return explore { id = id, ask = "?", compute = function(lab) checks(lab) return {} end, reveal = function() return { "checked" } end }
end

return lesson {
  id = "tensors", title = "Tensors", win = "trust the lab",

  step("generators", function(lab)
    local u, l, g = lab.uniform { n = 2 ^ 16, from = -3, to = 5 }, lab.laplace { n = 2 ^ 16 }, lab.gaussian { n = 2 ^ 16 }
    is("uniform spread", u.rms, math.sqrt(64 / 12 + 1), 0.03)
    is("uniform end", u.amax, 5, 0.01)
    is("Laplace variance", l.rms, 1, 0.03)
    assert(l.amax > 1.5 * g.amax, "Laplace tails are longer")
    is("streams differ", lab.compare(u, lab.uniform { n = 2 ^ 16, from = -3, to = 5, stream = 1 }).noise > 0 and 1 or 0, 1)
    is("seeds repeat", lab.compare(u, lab.uniform { n = 2 ^ 16, from = -3, to = 5 }).noise, 0)
    local near = lab.gaussian { n = 4096, sigma = 1.000001 }
    is("a sigma of its own, not the cache's", near.amax > lab.gaussian { n = 4096, sigma = 1 }.amax and 1 or 0, 1)
    local more = lab.gaussian { n = 4096, outliers = 0.5, times = 100.00001 }
    is("outliers of their own", more.amax > lab.gaussian { n = 4096, outliers = 0.5, times = 100 }.amax and 1 or 0, 1)
    is("the name stays short", #lab.gaussian { n = 4, sigma = 0.1 }.name < 90 and 1 or 0, 1)
    refuses("too many values", "not within", lab.uniform, { n = 2 ^ 24 })
  end),

  step("changes", function(lab)
    local t = lab.uniform { rows = 6, cols = 8, from = 1, to = 2 }
    local w = t:with { rows = { 2, 3 }, cols = 4, times = 10 }
    is("inside", w:at(2, 4), 10 * t:at(2, 4), 1e-5)
    is("outside", w:at(2, 5), t:at(2, 5))
    is("the original", t:at(3, 4) < 2 and 1 or 0, 1)
    is("set", t:with { rows = 6, value = -7 }:at(6, 8), -7)
    local by = lab.values { 1, 2, 4, 8, 1, 2, 4, -0.5 }
    is("multiplied", t:multiplied(by):at(3, 4), 8 * t:at(3, 4))
    is("multiplied, last", t:multiplied(by):at(6, 8), -0.5 * t:at(6, 8))
    is("divided", t:divided(by):at(2, 3), t:at(2, 3) / 4)
    is("undone", lab.compare(t, t:multiplied(by):divided(by)).noise, 0)
    refuses("one factor too few", "one factor a column", t.multiplied, t, lab.values { 1, 2 })
    local c = lab.gaussian { rows = 2 ^ 14, cols = 3 }:correlated(0.9)
    local cc = lab.product(c:transposed(), c:transposed())
    is("correlation", cc:at(1, 2) / math.sqrt(cc:at(1, 1) * cc:at(2, 2)), 0.9, 0.01)
    is("correlation two apart", cc:at(1, 3) / math.sqrt(cc:at(1, 1) * cc:at(3, 3)), 0.81, 0.02)
    is("sizes stay", cc:at(3, 3) / 2 ^ 14, 1, 0.05)
    refuses("more than 1", "from -1 to 1", t.correlated, t, 1.5)
    local r = t:rotated()
    is("rotated energy", r.rms, t.rms, 1e-5)
    is("rotated twice", lab.compare(t, r:rotated()).relative, 0, 1e-6)
    is("a spike spread", lab.values { 8, 0, 0, 0 }:rotated():at(1, 3), 4)
    is("products stay", lab.compare(lab.product(t, w), lab.product(r, w:rotated())).relative, 0, 1e-6)
    refuses("a side without a rotation", "no Hadamard rotation", t.rotated, lab.values { 1, 2, 3 })
    local l = lab.linear { x = t, w = w, smooth = 1 }
    is("at alpha 1 channels are even", t:divided(l.divide):maxima("column"):at(1, 5), 1, 1e-6)
    is("scattered", t:with { count = 5, times = 100 }:count(50), 5)
    refuses("a row that is not there", "not within", t.with, t, { rows = 7 })
    refuses("a range backward", "not within", t.with, t, { cols = { 4, 2 } })
    local s = t:shuffled()
    is("shuffled size", s.rms, t.rms, 1e-6)
    is("shuffled top", s.amax, t.amax)
    is("shuffled order", lab.compare(t, s).noise > 0 and 1 or 0, 1)
    local c = t:with { rows = 1, cols = 1, value = -8 }:clipped { share = 0.5 }
    is("clipped", c:at(1, 1), -4)
    is("a row of its own", c:at(2, 1), math.min(t:at(2, 1), t:take(2):with { rows = 1, value = 0 }.amax / 2), 1e-6)
    is("a limit", t:clipped { limit = 1.25 }.amax, 1.25)
    local r = t:replaced(t:with { value = 9 }, { 2, 8 })
    is("replaced", r:at(3, 8), 9)
    is("kept", r:at(3, 7), t:at(3, 7))
    is("replaced by 0", t:replaced(0, { 1 }):at(1, 1), 0)
    refuses("a column that is not there", "no such column", t.replaced, t, 0, { 9 })
    is("minus", t:minus(t).amax, 0)
    refuses("shapes", "another shape", t.minus, t, t:transposed())
  end),

  step("measures", function(lab)
    local t = lab.values { 1, -7, 3, 0.5 }
    is("count", t:count(1), 2)
    is("NaN counts", t:with { cols = 1, value = 500 }:count(100), 1)
    local top = t:top(2)
    is("top", top[1].value, -7)
    is("its column", top[1].col, 2)
    is("its row", top[1].row, 1)
    is("second", top[2].value, 3)
    refuses("top of none", "1 to 256", t.top, t, 0)
    local m = lab.uniform { rows = 5, cols = 7 }:with { rows = 2, cols = 3, value = -4 }
    is("row maxima", m:maxima("row"):at(2), 4)
    is("column maxima", m:maxima("column"):at(3), 4)
    is("how many", m:maxima("column").n, 7)
    local e = lab.quantize(t:with { cols = 2, value = 1000 }, { format = "e4m3", scale = "none", overflow = "native" }).values
    is("nonfinite", e.nonfinite, 1)
    is("NaN exceeds", e:count(1e9), 1)
    is("NaN is on top", e:top(4)[1].col, 2)
    is("behind it", e:top(4)[2].col, 3)
    is("NaN is not clipped to a number", e:clipped { limit = 1 }.nonfinite, 1)
    is("what is beside it is", e:clipped { limit = 1 }:at(1, 3), 1)
  end),

  step("products", function(lab)
    local x, w = lab.gaussian { rows = 9, cols = 33 }, lab.gaussian { rows = 5, cols = 33, stream = 1 }
    local y = lab.product(x, w)
    is("rows", y.rows, 9)
    is("columns", y.cols, 5)
    local sum = 0
    for i = 1, 33 do sum = sum + x:at(4, i) * w:at(3, i) end
    is("a product", y:at(4, 3), sum, 1e-4)
    local c = lab.compare(y, y:with { rows = 1, cols = 1, value = y:at(1, 1) + 2 })
    is("noise", c.noise, 4, 1e-4)
    is("signal", c.signal, 45 * y.rms ^ 2, 1e-2)
    is("SQNR", c.sqnr_db, 10 * math.log(c.signal / c.noise, 10), 1e-6)
    is("relative", c.relative, math.sqrt(c.noise / c.signal), 1e-9)
    local none = lab.values { 0, 0 }
    assert(lab.compare(none, none).sqnr_db == math.huge and lab.compare(none, none).relative == 0, "exact")
    assert(lab.compare(none, lab.values { 0, 1 }).relative == math.huge, "off from nothing")
    refuses("features", "takes", lab.product, x, w:transposed())
    refuses("shapes", "lab.compare", lab.compare, x, w)
  end),

  step("codes", function(lab)
    is("decode", lab.decode("01111110", "e4m3").value, 448)
    is("decode, FNUZ", lab.decode("01111110", "e4m3fnuz").value, 224)
    is("decode, INT4", lab.decode("1111", "int4").value, -1)
    is("cast and back", lab.decode(lab.cast(237.4, "e4m3").bits, "e4m3").value, 240)
    is("native", lab.cast(465, "e4m3", "native").value == lab.cast(465, "e4m3", "native").value and 1 or 0, 0)
    is("count", lab.format("e4m3").count(0, 1), 57)
    is("all", lab.format("fp16").count(0), 31744)
    refuses("bits", "as many", lab.decode, "0111", "e4m3")
    refuses("letters", "as many", lab.decode, "0111111x", "e4m3")
  end),

  step("counters", function(lab)
    for name, stop in pairs { e5m2 = 8, e4m3 = 16, bf16 = 256, fp16 = 2048 } do is(name, lab.counter { format = name, times = 1e5 }.value, stop) end
    is("steps of 16", lab.counter { format = "bf16", add = 16, times = 1e4 }.value, 4096)
    is("all of a short one", lab.counter { format = "fp32", times = 1000 }.value, 1000)
    local c = lab.counter { format = "bf16", times = 1e5, rounding = "stochastic" }
    is("a coin", c.value, 1e5, 2e4)
    is("its course", c.y[1], 1)
    is("its end", c.y[#c.y], c.value)
    is("as many", #c.x, #c.y)
    refuses("a rounding", "unknown rounding", lab.counter, { rounding = "up" })
  end),

  step("maps", function(lab)
    local t = lab.uniform { rows = 40, cols = 200 }
    refuses("a map of nothing", "starts with a tensor", view.maps, { { "x", label = "x" } })
    local made = view.maps { title = "two", maps = { { t, label = "a", note = "b" }, { t:with { value = 0 }, label = "c" } } }
    assert(made, "a block")
  end),
}
