-- POSTs bodies that differ by a number: BODY=… wrk … -s post.lua URL -- FIRST
-- Each NUMBER in BODY becomes the number of the request, counted from FIRST.
local body = os.getenv("BODY")
local number

function init(arguments)
   number = tonumber(arguments[1])
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
end

function request()
   number = number + 1
   return wrk.format(nil, nil, nil, (body:gsub("NUMBER", tostring(number))))
end
