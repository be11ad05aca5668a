-- One request again and again, with a header whose value is new each time if its name is given.
-- METHOD, BODY (or BODY_SIZE bytes), HEADERS (lines of "name: value") and UNIQUE come from the environment.
local run = tostring(os.time()) .. "-" .. tostring({}):match("0x(%x+)")
local unique = os.getenv("UNIQUE") or ""
local sent = 0

wrk.method = os.getenv("METHOD")
local body = os.getenv("BODY") or ""
local size = tonumber(os.getenv("BODY_SIZE")) or 0
if size > 0 then body = string.rep("x", size) end
wrk.body = body ~= "" and body or nil
for name, value in (os.getenv("HEADERS") or ""):gmatch("([^:\n]+): ([^\n]*)") do
  wrk.headers[name] = value
end

if unique ~= "" then
  request = function()
    sent = sent + 1
    wrk.headers[unique] = run .. "-" .. sent
    return wrk.format()
  end
end

done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.timeout
  io.write(string.format("RESULT %d %d %f %f %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed))
end
