// Calls every read of UMedia and UAccount by the typed client of UCloud's Go SDK, and prints what the client decoded:
// one JSON object, {"GetCodecTotalStat": {...}, ...}. A refusal or an answer that cannot be decoded ends it with 1.
//
//	reads URL PROJECT PUBLIC PRIVATE BEGIN END CODEC_TASK FORMAT_TASK SNAP_TASK
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/ucloud/ucloud-sdk-go/services/uaccount"
	"github.com/ucloud/ucloud-sdk-go/services/umedia"
	"github.com/ucloud/ucloud-sdk-go/ucloud"
	"github.com/ucloud/ucloud-sdk-go/ucloud/auth"
)

func need(action string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", action, err)
		os.Exit(1)
	}
}

func unix(text string) *int {
	seconds, err := strconv.Atoi(text)
	need("time", err)
	return ucloud.Int(seconds)
}

func main() {
	args := os.Args
	config := ucloud.NewConfig()
	config.BaseUrl, config.ProjectId = args[1], args[2]
	credential := auth.NewCredential()
	credential.PublicKey, credential.PrivateKey = args[3], args[4]
	begin, end := unix(args[5]), unix(args[6])
	media := umedia.NewClient(&config, &credential)
	account := uaccount.NewClient(&config, &credential)
	decoded := map[string]interface{}{}

	codecStat := media.NewGetCodecTotalStatRequest()
	codecStat.BeginTime, codecStat.EndTime = begin, end
	codecStatAnswer, err := media.GetCodecTotalStat(codecStat)
	need("GetCodecTotalStat", err)
	decoded["GetCodecTotalStat"] = codecStatAnswer

	formatStat := media.NewGetFormatTotalStatRequest()
	formatStat.BeginTime, formatStat.EndTime = begin, end
	formatStatAnswer, err := media.GetFormatTotalStat(formatStat)
	need("GetFormatTotalStat", err)
	decoded["GetFormatTotalStat"] = formatStatAnswer

	snapStat := media.NewGetSnapTotalStatRequest()
	snapStat.BeginTime, snapStat.EndTime = begin, end
	snapStatAnswer, err := media.GetSnapTotalStat(snapStat)
	need("GetSnapTotalStat", err)
	decoded["GetSnapTotalStat"] = snapStatAnswer

	codecList := media.NewGetCodecTaskListRequest()
	codecList.BeginTime, codecList.EndTime = begin, end
	codecListAnswer, err := media.GetCodecTaskList(codecList)
	need("GetCodecTaskList", err)
	decoded["GetCodecTaskList"] = codecListAnswer

	formatList := media.NewGetFormatTaskListRequest()
	formatList.BeginTime, formatList.EndTime = begin, end
	formatListAnswer, err := media.GetFormatTaskList(formatList)
	need("GetFormatTaskList", err)
	decoded["GetFormatTaskList"] = formatListAnswer

	snapList := media.NewGetSnapTaskListRequest()
	snapList.BeginTime, snapList.EndTime = begin, end
	snapListAnswer, err := media.GetSnapTaskList(snapList)
	need("GetSnapTaskList", err)
	decoded["GetSnapTaskList"] = snapListAnswer

	codecTask := media.NewGetCodecTaskDetailRequest()
	codecTask.TaskId = ucloud.String(args[7])
	codecTaskAnswer, err := media.GetCodecTaskDetail(codecTask)
	need("GetCodecTaskDetail", err)
	decoded["GetCodecTaskDetail"] = codecTaskAnswer

	formatTask := media.NewGetFormatTaskDetailRequest()
	formatTask.TaskId = ucloud.String(args[8])
	formatTaskAnswer, err := media.GetFormatTaskDetail(formatTask)
	need("GetFormatTaskDetail", err)
	decoded["GetFormatTaskDetail"] = formatTaskAnswer

	snapTask := media.NewGetSnapTaskDetailRequest()
	snapTask.TaskId = ucloud.String(args[9])
	snapTaskAnswer, err := media.GetSnapTaskDetail(snapTask)
	need("GetSnapTaskDetail", err)
	decoded["GetSnapTaskDetail"] = snapTaskAnswer

	codecPattens, err := media.GetCodecPattenList(media.NewGetCodecPattenListRequest())
	need("GetCodecPattenList", err)
	decoded["GetCodecPattenList"] = codecPattens

	waterMarkPattens, err := media.GetWaterMarkPattenList(media.NewGetWaterMarkPattenListRequest())
	need("GetWaterMarkPattenList", err)
	decoded["GetWaterMarkPattenList"] = waterMarkPattens

	projects, err := account.GetProjectList(account.NewGetProjectListRequest())
	need("GetProjectList", err)
	decoded["GetProjectList"] = projects

	regions, err := account.GetRegion(account.NewGetRegionRequest())
	need("GetRegion", err)
	decoded["GetRegion"] = regions

	user, err := account.GetUserInfo(account.NewGetUserInfoRequest())
	need("GetUserInfo", err)
	decoded["GetUserInfo"] = user

	need("output", json.NewEncoder(os.Stdout).Encode(decoded))
}
