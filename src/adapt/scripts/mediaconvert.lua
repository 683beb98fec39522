-- AWS Elemental MediaConvert: the notice "MediaConvert Job State Change" with status COMPLETE, and the answers of
-- GetJob and ListJobs. An output's identity is JOB/GROUP/OUTPUT in all of them.
--
-- Sources: docs.aws.amazon.com/mediaconvert/latest/ug: "Events with COMPLETE status", "Output file names and paths",
-- "Job settings limitations for automated ABR"; the AWS SDK's model of mediaconvert 2017-08-29: Job, OutputDetail,
-- VideoCodecSettings. Envelopes: docs.aws.amazon.com/sns/latest/dg, "HTTP/HTTPS notification JSON format";
-- docs.aws.amazon.com/lambda/latest/dg, "Using Lambda with Amazon SNS" and "... with Amazon SQS".
--
-- A notice has sizes and durations, but no codec and no frame rate. A job of GetJob also has its settings, which have
-- them, but no names of files. Only an output's place connects it with its settings, so places are compared first.
--
-- Members have the names of a notice and of Amazon's JSON over HTTP (outputDetails), or those that the SDKs and the
-- command line print (OutputDetails).

local ENVELOPES_MAX = 4 -- an event in SNS in SQS has three

local PICTURES = {jpg = true, jpeg = true, png = true}
local CAPTIONS = {vtt = true, srt = true, ttml = true, dfxp = true, scc = true, smi = true, stl = true, xml = true}
local SOUNDS = {aac = true, ac3 = true, aif = true, aiff = true, ec3 = true, eac3 = true, flac = true, m4a = true,
                mp2 = true, mp3 = true, oga = true, ogg = true, opus = true, wav = true}
local VIDEOS = {["3gp"] = true, avi = true, cmfv = true, f4v = true, flv = true, gif = true, ismv = true, m2ts = true,
                m2v = true, m4s = true, m4v = true, mkv = true, mov = true, mp4 = true, mpeg = true, mpg = true,
                mts = true, mxf = true, ts = true, webm = true}
-- Of a codec's settings the member that has its frame rate and quality.
local SETTINGS = {AV1 = "Av1Settings", AVC_INTRA = "AvcIntraSettings", GIF = "GifSettings", H_264 = "H264Settings",
                  H_265 = "H265Settings", MPEG2 = "Mpeg2Settings", PRORES = "ProresSettings",
                  UNCOMPRESSED = "UncompressedSettings", VC3 = "Vc3Settings", VP8 = "Vp8Settings",
                  VP9 = "Vp9Settings", XAVC = "XavcSettings"}

local outputs, remarks

local function remark(...)
  table.insert(remarks, string.format(...))
end

-- ---- looking ----

local function pick(node, name)
  if type(node) ~= "table" then return nil end
  local value = node[name]
  if value == nil then value = node[string.lower(string.sub(name, 1, 1)) .. string.sub(name, 2)] end
  if value == null then return nil end
  return value
end

local function object(node, name)
  local value = pick(node, name)
  return type(value) == "table" and value or {}
end

local function word(node, name)
  local value = pick(node, name)
  if value == nil then return nil end
  return text(value)
end

local function number(node, name)
  return tonumber(word(node, name) or "")
end

local function is_list(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local function list(node, name)
  local value = pick(node, name)
  return is_list(value) and value or {}
end

local function is_digits(value)
  if value == nil or #value > 18 then return false end
  for i = 1, #value do
    local byte = string.byte(value, i)
    if byte < 48 or byte > 57 then return false end
  end
  return #value > 0
end

-- "s3://out/v-hevc.mp4" is "v-hevc" and "mp4".
local function stem_and_ending(path)
  local parts = split(path, "/")
  local dots = split(parts[#parts], ".")
  if #dots == 1 then return dots[1], "" end
  local ending = table.remove(dots)
  return table.concat(dots, "."), string.lower(ending)
end

-- ---- settings, which only GetJob and ListJobs give ----

-- true, false, or nil if a preset decides that.
local function has_video(output)
  if pick(output, "VideoDescription") ~= nil then return true end
  if word(output, "Preset") ~= nil then return nil end
  return false
end

local function codec_in(output)
  return word(object(object(output, "VideoDescription"), "CodecSettings"), "Codec")
end

-- The codec of all these outputs that have video; nil if they differ, or if one does not say it.
local function common_codec(settings)
  local codec
  for _, output in ipairs(settings) do
    local stated = codec_in(output)
    if stated == nil and has_video(output) ~= false then return nil end
    if stated ~= nil and codec ~= nil and stated ~= codec then return nil end
    codec = codec or stated
  end
  return codec
end

local function fits(detail, output)
  local video, found = object(output, "VideoDescription"), pick(detail, "VideoDetails")
  if has_video(output) == false then return found == nil end
  for setting, measure in pairs({Width = "WidthInPx", Height = "HeightInPx"}) do
    local wanted, got = number(video, setting), number(found, measure)
    if wanted ~= nil and got ~= nil and wanted ~= got then return false end
  end
  return true
end

local function all_fit(details, settings)
  if #details ~= #settings then return false end
  for i, detail in ipairs(details) do
    if not fits(detail, settings[i]) then return false end
  end
  return true
end

-- What is known of each group: its settings by place (nil if places do not fit, or if MediaConvert chose the
-- renditions), and the codec that holds for each of its outputs, wherever it is.
local function plan_of(job, groups)
  local plan, all = {}, {}
  local settings = list(object(job, "Settings"), "OutputGroups")
  for _, group in ipairs(settings) do
    for _, output in ipairs(list(group, "Outputs")) do table.insert(all, output) end
  end
  for g, group in ipairs(groups) do
    plan[g] = {codec = common_codec(all)}
    if #settings == #groups then
      local own, details = list(settings[g], "Outputs"), list(group, "OutputDetails")
      local is_automatic = pick(settings[g], "AutomatedEncodingSettings") ~= nil
      plan[g] = {codec = common_codec(own), by_place = not is_automatic and all_fit(details, own) and own or nil}
    end
  end
  return plan
end

-- ---- what an output is ----

local function paths_of(detail)
  local paths = {}
  for _, path in ipairs(list(detail, "OutputFilePaths")) do
    local name = text(path)
    if name ~= nil then table.insert(paths, name) end
  end
  return paths
end

-- The class of the first file's ending, if all files have that ending.
local function ending_of(paths)
  local ending
  for _, path in ipairs(paths) do
    local _, found = stem_and_ending(path)
    if ending ~= nil and ending ~= found then return nil end
    ending = found
  end
  return ending
end

local function sound_of(settings)
  local codec
  for _, sound in ipairs(list(settings, "AudioDescriptions")) do
    local found = word(object(sound, "CodecSettings"), "Codec")
    if found == nil or (codec ~= nil and found ~= codec) then return nil end
    codec = found
  end
  return codec
end

-- What an output is that states no video, neither in its details nor in its settings.
local function without_video(detail, settings, ending, siblings_have)
  local duration = number(detail, "DurationInMs")
  if settings ~= nil and has_video(settings) == false then
    local codec = sound_of(settings)
    if codec == nil or duration == nil then return nil, "has no video" end
    return codec == "PASSTHROUGH" and "remux" or "audio", codec
  end
  if CAPTIONS[ending] then return nil, "has captions, and no video" end
  if SOUNDS[ending] then return nil, "has sound, and no video" end
  if duration == nil or duration <= 0 then return nil, "has no video" end
  if not VIDEOS[ending] and siblings_have then return nil, "has no video, unlike others of its group" end
  return "transcode"
end

-- The kind (nil: no output to count), and the codec or the reason.
local function kind_of(detail, settings, codec, siblings_have)
  local ending = ending_of(paths_of(detail))
  if type(detail) ~= "table" then return nil, "cannot be read" end
  if PICTURES[ending] then return nil, "is a picture, no transcode" end
  local is_video = pick(detail, "VideoDetails") ~= nil or (settings ~= nil and has_video(settings) == true)
  if not is_video then return without_video(detail, settings, ending, siblings_have) end
  if codec == "FRAME_CAPTURE" then return nil, "is made of pictures, no transcode" end
  if codec == "PASSTHROUGH" then return "remux" end
  return "transcode"
end

local function read_group(job, group, place, plan)
  local items, any = {}, false
  local details = list(group, "OutputDetails")
  for _, detail in ipairs(details) do any = any or pick(detail, "VideoDetails") ~= nil end
  for n, detail in ipairs(details) do
    local settings = plan.by_place and plan.by_place[n]
    local codec = settings and codec_in(settings) or plan.codec
    local kind, more = kind_of(detail, settings, codec, any)
    local item = {detail = detail, settings = settings, group = place, place = n - 1, kind = kind}
    if kind == nil then item.reason = more else item.codec = more or codec end
    table.insert(items, item)
  end
  return items
end

-- ---- the codec ----

-- userMetadata's word for an output: "codec.0.1", "codec.0" for a group, "codec.all".
local function stated(job, name, item)
  local metadata = object(job, "UserMetadata")
  local group = name .. "." .. item.group
  for _, key in ipairs({group .. "." .. item.place, group, name .. ".all"}) do
    if metadata[key] ~= nil and text(metadata[key]) ~= nil then return text(metadata[key]) end
  end
end

local function is_separator(byte)
  local is_digit, is_letter = byte >= 48 and byte <= 57, (byte | 32) >= 97 and (byte | 32) <= 122
  return byte < 128 and not is_digit and not is_letter
end

-- The codec of a rule for a preset or a name modifier; else that of the rule for all. A notice does not state the
-- name modifier, but the file's name ends in it. Only an end that begins with a separator ("-hevc") is taken for one:
-- a file "4k-uhd" must not meet a rule for a preset "hd".
local function ruled(job, item)
  local general = rule("")
  local names = {word(item.settings, "Preset") or "", stated(job, "preset", item) or "",
                 word(object(job, "UserMetadata"), "Preset") or "", word(item.settings, "NameModifier") or ""}
  local path = paths_of(item.detail)[1]
  local stem = path and stem_and_ending(path) or ""
  for from = math.max(1, #stem - 255), #stem do
    if is_separator(string.byte(stem, from)) then table.insert(names, string.sub(stem, from)) end
  end
  for _, name in ipairs(names) do
    local codec = name ~= "" and rule(name) or general
    if codec ~= general then return codec end
  end
  return general
end

-- What the settings say, else userMetadata, else a rule. userMetadata.codec names one codec for the whole job, so it
-- holds only if the job has one output that can have it. An output without a size waits anyway, and a rule's codec
-- would contradict the job list that names another.
local function codec_of(job, item, is_alone)
  local alone = is_alone and word(object(job, "UserMetadata"), "Codec") or nil
  local said = item.codec or codec(stated(job, "codec", item)) or codec(alone)
  if said == nil and pick(item.detail, "VideoDetails") ~= nil then return ruled(job, item) end
  return said
end

-- ---- events ----

local function set_time(output, job, event)
  local ms, finished = word(job, "Timestamp"), word(object(job, "Timing"), "FinishTime")
  if is_digits(ms) then
    output.time_ms = ms
  elseif is_digits(finished) then
    output.time_s = finished
  elseif finished ~= nil then
    local parts = split(finished, ".") -- seconds with a fraction, or RFC 3339
    if #parts == 2 and is_digits(parts[1]) and is_digits(parts[2]) then
      output.time_ms = parts[1] .. string.sub(parts[2] .. "00", 1, 3)
    else
      output.time = finished
    end
  else
    output.time = word(event, "Time")
  end
end

-- A notice has its region. An address has it too: "arn:aws:mediaconvert:eu-west-1:123412341234:queues/Default".
local function region_of(job, event)
  local region = word(event, "Region")
  for _, name in ipairs({"Arn", "Queue"}) do
    local address = word(job, name)
    if region == nil and address ~= nil and starts(address, "arn:") then region = split(address, ":")[4] end
  end
  return region ~= "" and region or nil
end

-- One pass and two are what Amazon's reference says of H.264 and H.265; of others it does not say how many.
local function passes_of(codec, quality)
  if quality == "SINGLE_PASS" or quality == "SINGLE_PASS_HQ" then return 1 end
  if quality == "MULTI_PASS_HQ" and (codec == "H_264" or codec == "H_265") then return 2 end
end

local function fill_from_settings(data, settings)
  local codec = codec_in(settings)
  local own = object(object(object(settings, "VideoDescription"), "CodecSettings"), SETTINGS[codec] or "")
  local above, below = word(own, "FramerateNumerator"), word(own, "FramerateDenominator")
  if word(own, "FramerateControl") == "SPECIFIED" and is_digits(above) and is_digits(below) then
    data.frame_rate = above .. "/" .. below
  end
  data.quality = word(own, "QualityTuningLevel")
  data.passes = passes_of(codec, data.quality)
end

local function add(job, event, id, item, is_alone)
  local output = {id = string.format("%s/%d/%d", id, item.group, item.place), type = item.kind .. ".finished"}
  local data = {duration_ms = word(item.detail, "DurationInMs"), task_id = id, dest_name = paths_of(item.detail)[1],
                region = region_of(job, event)}
  if item.kind == "audio" then data.codec = item.codec end
  if item.kind == "transcode" then
    local video = object(item.detail, "VideoDetails")
    data.width, data.height = word(video, "WidthInPx"), word(video, "HeightInPx")
    data.codec = codec_of(job, item, is_alone)
    fill_from_settings(data, item.settings)
  end
  output.data = data
  set_time(output, job, event)
  table.insert(outputs, output)
end

-- ---- jobs ----

-- A group without outputs lists only playlists, or nothing. Its outputs are not in the notice.
local function say_empty(id, place, group)
  local kind, path = word(group, "Type") or "no type", list(group, "PlaylistFilePaths")[1]
  local lists = path ~= nil and text(path) ~= nil and "only playlists (" .. text(path) .. ")" or "no outputs"
  remark("job %s: group %d (%s) lists %s, so nothing of it counts; the answer of GetJob may list its outputs", id,
         place, kind, lists)
end

-- The codec for the whole job, which was not used.
local function say_codec(job, id)
  local named = word(object(job, "UserMetadata"), "Codec")
  for _, output in ipairs(outputs) do
    local lacks = output.data.task_id == id and output.type == "transcode.finished" and output.data.codec == nil
    if named ~= nil and lacks then
      return remark("job %s: userMetadata.codec is not used, because the job may have several outputs: name it " ..
                    "codec.all, codec.GROUP or codec.GROUP.OUTPUT", id)
    end
  end
end

local function read_job(job, event, id, groups)
  local items, plan, transcodes, are_all_listed = {}, plan_of(job, groups), 0, true
  for g, group in ipairs(groups) do
    local found = read_group(job, group, g - 1, plan[g])
    if #found == 0 then
      say_empty(id, g - 1, group)
      are_all_listed = false
    end
    for _, item in ipairs(found) do
      if item.kind == "transcode" then transcodes = transcodes + 1 end
      table.insert(items, item)
    end
  end
  for _, item in ipairs(items) do
    if item.kind ~= nil then
      add(job, event, id, item, transcodes == 1 and are_all_listed)
    else
      local path = paths_of(item.detail)[1]
      local where = path ~= nil and ": " .. path or ""
      remark("job %s: output %d of group %d %s%s", id, item.place, item.group, item.reason, where)
    end
  end
  if transcodes > 1 or not are_all_listed then say_codec(job, id) end
end

local function take_job(job, event)
  local id, status = word(job, "JobId") or word(job, "Id"), word(job, "Status")
  local groups = pick(job, "OutputGroupDetails")
  if id == nil then
    remark("the job has no id")
  elseif status ~= "COMPLETE" then
    remark("job %s: status is not COMPLETE: %s", id, status or "none")
  elseif not is_list(groups) or #groups == 0 then
    remark("job %s: no list of outputs (outputGroupDetails)", id)
  else
    read_job(job, event, id, groups)
  end
end

local function take_event(event)
  local kind, version = word(event, "detail-type"), word(event, "version")
  if kind ~= nil and kind ~= "MediaConvert Job State Change" then
    remark("detail-type is not MediaConvert Job State Change: %s", kind)
  elseif version ~= nil and version ~= "0" then
    remark("an event of version %s, and only version 0 is known", version)
  elseif type(pick(event, "detail")) ~= "table" then
    remark("the event has no detail")
  else
    take_job(event.detail, event)
  end
end

-- ---- envelopes ----

local open

local function open_text(message, depth)
  local inner = type(message) == "string" and json(message) or nil
  if type(inner) == "table" then return open(inner, depth + 1) end
  remark("a message that is not JSON")
end

-- An operator is asked to visit the address. Everybody who has the token can send one, so a remark says if it is not
-- Amazon's.
local function is_address_of_sns(address)
  local host = split(address, "/")[3] or ""
  for i = 1, #host do
    local byte = string.byte(host, i)
    local is_part = (byte | 32) >= 97 and (byte | 32) <= 122 or byte >= 48 and byte <= 57 or byte == 45 or byte == 46
    if not is_part then return false end
  end
  local is_amazon = ends(host, ".amazonaws.com") or ends(host, ".amazonaws.com.cn")
  return starts(address, "https://sns") and is_amazon
end

local function open_sns(notice, depth)
  local kind = word(notice, "Type") or "no type"
  if kind == "Notification" then return open_text(notice.Message, depth) end
  local address = word(notice, "SubscribeURL")
  if kind ~= "SubscriptionConfirmation" or not address then
    return remark("a message of SNS that is no notification: %s", kind)
  end
  local topic = word(notice, "TopicArn") or "a topic"
  if is_address_of_sns(address) then
    remark("SNS asks to confirm the subscription of %s: visit %s", topic, address)
  else
    remark("a message asks to confirm the subscription of %s, but its address is not Amazon's, so do not visit it " ..
           "unless you know it: %s", topic, address)
  end
end

-- Lambda's form of SNS (Sns) and of SQS (body); what SQS answers to ReceiveMessage (Body).
local function open_record(record, depth)
  local inner = pick(record, "Sns")
  if inner ~= nil then return open_text(pick(inner, "Message"), depth) end
  open_text(pick(record, "Body"), depth)
end

function open(notice, depth)
  if depth > ENVELOPES_MAX then return remark("more than %d envelopes", ENVELOPES_MAX) end
  local is_job = pick(notice, "OutputGroupDetails") ~= nil or word(notice, "JobId") ~= nil
  if word(notice, "TopicArn") ~= nil then
    open_sns(notice, depth)
  elseif word(notice, "detail-type") ~= nil or pick(notice, "detail") ~= nil then
    take_event(notice)
  elseif is_list(pick(notice, "Jobs")) then
    for _, job in ipairs(list(notice, "Jobs")) do take_job(job) end
  elseif type(pick(notice, "Job")) == "table" then
    take_job(pick(notice, "Job"))
  elseif is_job or (word(notice, "Id") ~= nil and word(notice, "Status") ~= nil) then
    take_job(notice)
  elseif is_list(pick(notice, "Records")) or is_list(pick(notice, "Messages")) then
    for _, record in ipairs(pick(notice, "Records") or pick(notice, "Messages")) do open_record(record, depth) end
  else
    remark("neither an event of MediaConvert nor a job: no detail-type, no jobId")
  end
end

function adapt(notice)
  outputs, remarks = {}, {}
  open(notice, 0)
  if #outputs + #remarks == 0 then remark("there is nothing in the notice") end
  return outputs, remarks
end
