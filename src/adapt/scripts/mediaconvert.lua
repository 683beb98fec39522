-- AWS Elemental MediaConvert, by EventBridge: "MediaConvert Job State Change" with status COMPLETE.
-- Source: docs.aws.amazon.com/mediaconvert/latest/ug/ev_status_complete.html
--
-- The notice states sizes and durations but no codec. The codec comes from the job's userMetadata.codec, which the
-- submitter of the job sets, or from a rule.

local function array(node, path)
  local found = at(node, path)
  return type(found) == "table" and found or {}
end

local function output_of(detail, node, id)
  return {
    id = id,
    time_ms = text(detail, "timestamp"),
    data = {
      codec = codec(text(detail, "userMetadata.codec")) or rule(text(detail, "userMetadata.preset")),
      task_id = text(detail, "jobId"),
      width = text(node, "videoDetails.widthInPx"),
      height = text(node, "videoDetails.heightInPx"),
      duration_ms = text(node, "durationInMs"),
      dest_name = text(node, "outputFilePaths.0"),
    },
  }
end

function adapt(notice)
  local kind, status = text(notice, "detail-type"), text(notice, "detail.status")
  if kind ~= "MediaConvert Job State Change" then
    return nil, { "detail-type is not MediaConvert Job State Change: " .. (kind or "") }
  end
  if status ~= "COMPLETE" then return nil, { "status is not COMPLETE: " .. (status or "") } end
  local detail, outputs, remarks = notice.detail, {}, {}
  local job = text(detail, "jobId")
  if not job or not at(detail, "outputGroupDetails") then
    return nil, { "no detail.jobId or no detail.outputGroupDetails" }
  end
  for g, group in ipairs(array(detail, "outputGroupDetails")) do
    for n, node in ipairs(array(group, "outputDetails")) do
      if at(node, "videoDetails") then
        table.insert(outputs, output_of(detail, node, job .. "/" .. (g - 1) .. "/" .. (n - 1)))
      else
        table.insert(remarks, "output " .. (n - 1) .. " of group " .. (g - 1) .. " has no video")
      end
    end
  end
  return outputs, remarks
end
