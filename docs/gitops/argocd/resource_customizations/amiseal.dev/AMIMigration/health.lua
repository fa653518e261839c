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

-- It is -1 until amiseal has seen the migration.
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "amiseal has not looked at the migration yet.")
end

if is("Stalled", "True") then
  return health("Degraded", conditions["Stalled"].reason .. ": " .. conditions["Stalled"].message)
end

local ready = conditions["Ready"]
if ready == nil then
  return health("Progressing", "amiseal has not judged the migration yet.")
end

if ready.status == "True" then
  return health("Healthy", ready.message)
end

if is("Reconciling", "True") then
  return health("Progressing", ready.message)
end

-- It waits, since the policy is suspended or in mode Audit by now.
return health("Suspended", ready.message)
