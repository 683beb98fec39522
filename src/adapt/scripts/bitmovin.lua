-- Bitmovin: webhooks of encodings. Source: developer.bitmovin.com, "Webhooks" (Encoding Finished, Encoding Error,
-- Encoding Status Changed); the body as its dashboard sends it.
--
-- The webhook says that an encoding has finished, and nothing about what was made. So each encoding waits as one
-- unresolved output, until somebody says what it is. Report renditions one by one as events instead, and dismiss it.

local function reason_against(notice)
  local event, status = text(notice, "eventType") or text(notice, "event"), text(notice, "encodingStatus.status")
  if event == "ENCODING_STATUS_CHANGED" then
    return status ~= "FINISHED" and "the encoding is not finished: " .. (status or "it has no status") or nil
  end
  if event == "ENCODING_ERROR" then return "the encoding failed" end
  if event ~= "ENCODING_FINISHED" and event ~= "encoding.finished" then
    return "eventType is not ENCODING_FINISHED or ENCODING_STATUS_CHANGED: " .. (event or "")
  end
  local is_other = status and status ~= "FINISHED"
  return is_other and "the encoding is not finished: " .. status or nil
end

function adapt(notice)
  local reason = reason_against(notice)
  if reason then return nil, { reason } end
  local id = text(notice, "triggeredForResourceId") or text(notice, "resourceId") or text(notice, "encodingId")
  if not id then error("no triggeredForResourceId and no resourceId: the encoding has no id") end
  return { {
    id = id,
    time = text(notice, "encodingStatus.finishedAt") or text(notice, "triggeredAt"),
    data = { codec = rule() },
  } }
end
