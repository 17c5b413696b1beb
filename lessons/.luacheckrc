-- For luacheck: what a lesson may read. Everything else has to be local.
std = "none"
read_globals = {
  "lesson", "part", "read", "predict", "fill", "recall", "explain", "explore", "dive", "link", "view", "fmt",
  "string", "table", "math", "utf8", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawlen",
  "select", "tonumber", "tostring", "type",
}
max_line_length = 160
