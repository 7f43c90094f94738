-- Asks the validator whether a request may pass, by HAProxy's own HTTP client:
--
--   http-request lua.servicetokens http://127.0.0.1:8080/validate
--
-- A yes sets the identity headers and takes the token away; anything else is the answer to the client.

local IDENTITY = {
  "x-servicetoken-account", "x-servicetoken-namespace", "x-servicetoken-roles",
  "x-servicetoken-permissions", "x-servicetoken-id", "x-servicetoken-expires",
}
-- What a client may see of a no.
local SHOWN = { "www-authenticate", "retry-after", "cache-control" }
local TIMEOUT_MILLISECONDS = 2000

local function values(headers, name)
  local found = {}
  -- HAProxy counts from 0.
  for number, value in pairs(headers[name] or {}) do found[number + 1] = value end
  return found
end

local function ask(txn, url)
  local headers = txn.http:req_get_headers()
  local question = {
    ["x-forwarded-method"] = { txn.f:method() },
    ["x-forwarded-uri"] = { txn.f:url() },
    ["x-forwarded-host"] = { txn.f:req_hdr("host") or "" },
    ["x-forwarded-for"] = { txn.f:src() },
  }
  -- All of them: the validator rejects more than one.
  local authorization = values(headers, "authorization")
  if #authorization > 0 then question["authorization"] = authorization end
  return core.httpclient():get { url = url, headers = question, timeout = TIMEOUT_MILLISECONDS }
end

local function refuse(txn, response)
  local reply = txn:reply()
  local status = response.status
  -- HAProxy's client has no status for a validator that cannot be reached.
  reply:set_status((status and status >= 400) and status or 503)
  for _, name in ipairs(SHOWN) do
    for _, value in pairs((response.headers or {})[name] or {}) do reply:add_header(name, value) end
  end
  txn:done(reply)
end

core.register_action("servicetokens", { "http-req" }, function(txn, url)
  local response = ask(txn, url)
  if response.status ~= 200 then
    refuse(txn, response)
    return
  end
  for _, name in ipairs(IDENTITY) do
    local value = values(response.headers, name)[1]
    txn.http:req_set_header(name, value or "")
  end
  txn.http:req_del_header("authorization")
end, 1)
