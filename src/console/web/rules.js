// The sentence beside each number in the language of the page. English sentences are the server's; for Chinese there is
// one for each rule of src/query/explain.c, made of the same values. An unknown rule keeps the server's sentence.
import { sentenceOf } from "./parts.js";
import { language, listed, t } from "./words.js";

const tier = (name) => t("tier_" + name);

// Measures that a notice may lack, as `missing` names them.
const measures = { codec: "编码", width: "宽度", height: "高度", duration_ms: "时长", image_count: "图片数", time: "完成时间" };
export const measureNames = (names) =>
  listed((names ?? []).map((name) => (language() === "zh-CN" && measures[name]) || name));

const inMinutes = (p) =>
  p.minutes * 60 === p.seconds
    ? `，即 ${p.minutes} 分钟`
    : `，按分钟向上取整为 ${p.minutes} 分钟`;
const byToken = (p) => `令牌 ${p.token}${p.token_label ? `（标签：${p.token_label}）` : ""} `;
const NO_TOKEN = "中没有令牌：由服务器上的命令写入，或由较早的版本写入";

// By part and rule. p: the part. task: all of the answer's task.
const zh = {
  counts: {
    finished: (p, task) =>
      task.kind === "snapshot"
        ? `任务已完成，计 ${p.images} 张图片`
        : `任务已完成，计 ${p.seconds} 秒、${p.minutes} 分钟`,
    failed: () => "失败的任务不计量",
    voided: () => "该记录已被作废，不计量",
    unresolved: (p, task) => `该输出尚未计量：通知中没有${measureNames(task.unresolved?.missing)}`,
    resolved: () => "同一输出的后续记录代替它计量",
    void: () => "这是一条作废记录：它作废另一条记录，自身不计量",
  },
  codec: {
    canonical: (p) => `上报的编码名 ${p.reported} 即规范名`,
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
    stored: (p) => `记录写入时的清晰度是${tier(p.name)}，予以保留；按现行规则会得到另一个清晰度，或没有清晰度`,
  },
  amount: {
    exact: (p) => `${p.duration_ms} 毫秒正好是 ${p.seconds} 秒${inMinutes(p)}`,
    rounded: (p) => `${p.duration_ms} 毫秒四舍五入为 ${p.seconds} 秒${inMinutes(p)}`,
    at_least: (p) => `${p.duration_ms} 毫秒计 ${p.seconds} 秒，因为有时长的任务至少计 1 秒${inMinutes(p)}`,
    images: (p) => `截图任务按图片数计，不按秒计：${p.images} 张`,
    none: (p, task) =>
      task.status === "void"
        ? "作废记录没有时长"
        : task.kind === "snapshot"
          ? "上报中没有图片数"
          : "上报中没有时长",
  },
  finished: {
    stated: () => "完成时间由上报给出",
    arrival: () => "上报没有给出完成时间，以到达时间为准",
    notice: () => "通知没有给出完成时间，以通知的到达时间为准；该通知后来才从隔离区读取",
  },
  day: {
    local_date: (p, task) => `按时区 ${p.zone}，任务完成于 ${task.finished.time}，属于 ${p.date} 这一天`,
    day_goes_on: (p, task) =>
      `按时区 ${p.zone}，任务完成于 ${task.finished.time}；时钟回拨越过午夜，已开始的一天继续，因此属于 ${p.date} 这一天`,
  },
  reported: {
    token: (p) => `由${byToken(p)}上报，到达时间 ${p.arrived}`,
    unknown: (p) => `记录${NO_TOKEN}；到达时间 ${p.arrived}`,
  },
  voided: {
    voided: (p) => `由${byToken(p)}作废，作废记录 ${p.source} / ${p.id}，到达时间 ${p.arrived}`,
    unknown: (p) => `作废记录 ${p.source} / ${p.id} ${NO_TOKEN}；到达时间 ${p.arrived}`,
  },
  unresolved: {
    waits: (p) => `${p.arrived} 到达的通知中没有${measureNames(p.missing)}；该输出正在等待补全的上报`,
    resolved: (p, task) =>
      `${p.arrived} 到达的通知中没有${measureNames(p.missing)}；${task.reported?.arrived ?? ""} 到达的上报补全了该输出`,
  },
};

// The sentence of the server also says what rules of this version would give, and the answer has no value of it.
const saysMore = (part, p) => p.rule === "stored" || (part === "codec" && p.text.includes(";"));

// The sentences of a part of a task: [[language, text], …].
export function sentences(part, task) {
  const p = task[part];
  const server = ["en", sentenceOf(p.text)];
  const made = language() === "zh-CN" ? zh[part]?.[p.rule] : undefined;
  if (!made) return [server];
  const own = ["zh-CN", made(p, task) + "。"];
  return saysMore(part, p) ? [own, server] : [own];
}
