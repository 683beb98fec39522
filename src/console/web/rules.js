// The sentence beside each number in the language of the page. English sentences are the server's; for Chinese there is
// one for each fixed rule name of docs/v1-tasks.md, made of the same values. An unknown rule keeps the server's sentence.
import { language, t } from "./words.js";

const tier = (name) => t("tier_" + name);

const zh = {
  counts: {
    finished: (p) =>
      p.images > 0 ? `任务已完成，计 ${p.images} 张图片` : `任务已完成，计 ${p.seconds} 秒、${p.minutes} 分钟`,
    failed: () => "失败的任务不计量",
    voided: () => "该记录已被作废，不计量",
    unresolved: () => "该输出尚未计量：通知中缺少必要的数据",
    resolved: () => "同一输出的后续记录代替它计量",
    void: () => "这是一条作废记录：它撤销另一条记录，自身不计量",
  },
  codec: {
    canonical: (p) => `上报的编码名 ${p.reported} 就是规范名`,
    table: (p) => `上报的编码名是 ${p.reported}，编码名对照表将其归为 ${p.name}`,
    itself: (p) => `上报的编码名是 ${p.reported}，对照表中没有，因此按原名（小写）计`,
    none: () => "上报中没有编码名",
    unknown: (p) => `记录只保留了 ${p.name}，没有保留上报时的写法：它由较早的版本写入`,
  },
  tier: {
    fits: (p) =>
      `长边 ${p.longer_side} 不超过 ${p.longer_side_max}，短边 ${p.shorter_side} 不超过 ${p.shorter_side_max}，因此清晰度是${tier(p.name)}`,
    beyond: (p) =>
      `长边 ${p.longer_side}、短边 ${p.shorter_side}，至少有一边超过${tier("high")}的上限，因此清晰度是${tier("super")}`,
    none: () => "只有已完成的转码任务才有清晰度",
    stored: (p) => `记录写入时的清晰度是${tier(p.name)}，予以保留；按现行规则会得到另一个清晰度`,
  },
  amount: {
    exact: (p) => `${p.duration_ms} 毫秒正好是 ${p.seconds} 秒；每个任务不足一分钟按一分钟计：${p.minutes} 分钟`,
    rounded: (p) =>
      `${p.duration_ms} 毫秒四舍五入为 ${p.seconds} 秒；每个任务不足一分钟按一分钟计：${p.minutes} 分钟`,
    at_least: (p) => `${p.duration_ms} 毫秒计 ${p.seconds} 秒，因为有时长的任务至少计 1 秒；${p.minutes} 分钟`,
    images: (p) => `截图任务按图片数计，不按秒计：${p.images} 张`,
    none: () => "上报中没有时长",
  },
  finished: {
    stated: () => "完成时间由上报给出",
    arrival: () => "上报没有给出完成时间，以到达时间为准",
    notice: () => "上报没有给出完成时间，以通知的到达时间为准；该通知后来才被读取",
  },
  day: {
    local_date: (p) => `按时区 ${p.zone} 的当地日期，任务属于 ${p.date}`,
    day_goes_on: (p) => `按时区 ${p.zone}，时钟回拨越过午夜，已开始的一天继续，任务属于 ${p.date}`,
  },
  reported: {
    token: (p) =>
      `由令牌 ${p.token}${p.token_label ? `（标签：${p.token_label}）` : ""} 上报，写入位置 ${p.position}`,
    unknown: () => "记录中没有令牌：由服务器上的命令上报，或由较早的版本写入",
  },
  voided: {
    voided: (p) =>
      `由令牌 ${p.token}${p.token_label ? `（标签：${p.token_label}）` : ""} 作废，作废记录 ${p.source} / ${p.id}，到达时间 ${p.arrived}`,
    unknown: (p) => `作废记录 ${p.source} / ${p.id} 中没有令牌，到达时间 ${p.arrived}`,
  },
  unresolved: {
    waits: () => "通知中缺少这些数据，正在等待补全",
    resolved: () => "后续的完整上报已补全",
  },
};

// null: use the server's sentence.
export function sentence(part, told) {
  const made = language() === "zh-CN" ? zh[part]?.[told.rule] : undefined;
  return made ? made(told) : null;
}
