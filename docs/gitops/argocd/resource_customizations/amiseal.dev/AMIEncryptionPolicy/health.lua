local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(type, value)
  return conditions[type] ~= nil and conditions[type].status == value
end

local function health(code, message)
  return { status = code, message = message }
end

-- It is -1 until amiseal has seen the policy, and the old one until it has seen the last change.
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "amiseal has not looked at this generation of the policy yet.")
end

if is("Stalled", "True") then
  return health("Degraded", conditions["Stalled"].message)
end

local ready = conditions["Ready"]
if ready == nil then
  return health("Progressing", "amiseal has not judged the policy yet.")
end

if ready.reason == "Suspended" then
  return health("Suspended", ready.message)
end

if is("Reconciling", "True") then
  local message = conditions["Reconciling"].message
  -- As while AWS cannot be reached: it goes on by itself, but not now.
  if ready.status == "False" then
    message = message .. " Ready: " .. ready.message
  end
  return health("Progressing", message)
end

if ready.status ~= "True" then
  return health("Progressing", ready.message)
end

-- What was found does not make the policy unhealthy: it does what it was asked to. But it is said.
local message = "Ready: " .. ready.message
local compliant = conditions["Compliant"]
if compliant ~= nil and compliant.status ~= "True" then
  message = message .. " Compliant: " .. compliant.message
end
local stalled = (status.migrations or {}).stalled or 0
if stalled > 0 then
  message = message .. " Migrations that need a person: " .. tostring(stalled) .. "."
end
return health("Healthy", message)
