// Makes a workbook (.xlsx) of rows of /v1, the same as `codecmeter usage --output FILE.xlsx` (src/cli/spreadsheet.c): a frozen
// line of titles, then the rows. Texts stay texts, whatever they look like; there is no formula. Loaded at the first click.
import { strToU8, Zip, ZipDeflate } from "./vendor/fflate.js";

const DIGITS_MAX = 15; // of a number that spreadsheets show exactly; a longer one stays a text
const TEXT_MAX = 32767; // UTF-16 units in a cell
const DAY_LEAST_S = 72000; // a row that covers less is a part of a day, and its date gets hours
const WIDTH_MIN = 8, // of a column, in letters
  WIDTH_MAX = 60,
  WIDTH_EDGE = 0.7109375, // that spreadsheets add
  DATE_WIDTH = 16;
const ROWS_A_TURN = 2000; // then the page may draw
const ZIP_TIME = "1980-01-02T00:00:00"; // of every file: the same rows are the same bytes

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"';
const OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006/";
const TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.";

// Places in `cellXfs` of STYLES.
const TITLE = 1,
  DATE = 2,
  DATE_TIME = 3;
const STYLES = `<styleSheet ${MAIN}><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/><numFmt numFmtId="165" formatCode="yyyy-mm-dd hh:mm"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf xfId="0"/><xf fontId="1" applyFont="1" xfId="0"/><xf numFmtId="164" applyNumberFormat="1" xfId="0"/><xf numFmtId="165" applyNumberFormat="1" xfId="0"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`;

const partsOf = (sheet) => [
  [
    "[Content_Types].xml",
    `<Types xmlns="${PACKAGE}content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${TYPE}sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${TYPE}worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="${TYPE}styles+xml"/></Types>`,
  ],
  [
    "_rels/.rels",
    `<Relationships xmlns="${PACKAGE}relationships"><Relationship Id="rId1" Type="${OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
  ],
  [
    "xl/workbook.xml",
    `<workbook ${MAIN} xmlns:r="${OFFICE}"><sheets><sheet name="${sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>`,
  ],
  [
    "xl/_rels/workbook.xml.rels",
    `<Relationships xmlns="${PACKAGE}relationships"><Relationship Id="rId1" Type="${OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="${OFFICE}/styles" Target="styles.xml"/></Relationships>`,
  ],
  ["xl/styles.xml", STYLES],
];

// ---- cells ----

// In a workbook "_x0041_" means A, so a text that looks so is escaped, and so are characters that XML would change. What XML
// cannot have at all becomes U+FFFD.
function escape(text) {
  return text
    .replace(/[\0\ufffe\uffff]/g, "\ufffd")
    .replace(/_(?=x[0-9a-fA-F]{4}_)/g, "_x005F_")
    .replace(/[\x01-\x08\x0b-\x1f]/g, (one) => "_x" + one.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "_")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;");
}

// A local time as days since the workbook's day 0, with a fraction. null if the text is no time, or a time before 1 March
// 1900, where spreadsheets disagree. "2026-10-05T13:00:00+08:00" is 13:00 of 5 October, wherever the browser is.
function serialOf(text) {
  const found = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)/.exec(text);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
  const since = (month + 9) % 12, // months since March
    years = month < 3 ? year - 1 : year;
  const leaps = Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
  const days = 365 * years + leaps + Math.floor((153 * since + 2) / 5) + day - 1 - 693899;
  return days < 61 ? null : days + (hour * 3600 + minute * 60 + second) / 86400;
}

// What a cell of a row has: {number, style}, {text}, or null.
function valueOf(name, value, row) {
  if (value === null || value === undefined || value === "") return null;
  if (typeof value === "number" && String(value).replace(/\D/g, "").length <= DIGITS_MAX) return { number: value };
  if (Array.isArray(value)) return { text: value.join(" ") };
  if (typeof value === "object") return { text: JSON.stringify(value) };
  const serial = name === "date" ? serialOf(value) : null;
  if (serial === null) return { text: String(value) };
  return { number: serial, style: row.end - row.start < DAY_LEAST_S ? DATE_TIME : DATE };
}

// "A" to "Z", "AA" …: rows of /v1 have at most 64 columns.
const letters = (column) => (column < 26 ? "" : letters(Math.floor(column / 26) - 1)) + String.fromCharCode(65 + (column % 26));

function cell(place, made) {
  if (made === null) return "";
  const style = made.style ? ` s="${made.style}"` : "";
  if (made.number !== undefined) return `<c r="${place}"${style}><v>${made.number}</v></c>`;
  if (made.text.length > TEXT_MAX) throw new RangeError("a text is too long for a cell");
  return `<c r="${place}"${style} t="inlineStr"><is><t xml:space="preserve">${escape(made.text)}</t></is></c>`;
}

const widthOf = (made) => {
  if (made === null) return 0;
  if (made.style === DATE || made.style === DATE_TIME) return DATE_WIDTH;
  return [...String(made.text ?? made.number)].reduce((sum, one) => sum + (one < "\u1100" ? 1 : 2), 1);
};

// ---- the sheet ----

function lines(names, rows, from, to) {
  let text = "";
  for (let at = from; at < to; at++) {
    const cells = names.map((name, column) => cell(letters(column) + (at + 2), valueOf(name, rows[at][name], rows[at])));
    text += `<row r="${at + 2}">${cells.join("")}</row>`;
  }
  return text;
}

function head(names, rows) {
  const columns = names.map((name, column) => {
    const widest = rows.reduce((most, row) => Math.max(most, widthOf(valueOf(name, row[name], row))), name.length + 1);
    const width = Math.min(Math.max(widest, WIDTH_MIN), WIDTH_MAX);
    return `<col min="${column + 1}" max="${column + 1}" width="${width + WIDTH_EDGE}" customWidth="1"/>`;
  });
  const titles = names.map((name, column) => cell(letters(column) + 1, { text: name, style: TITLE }));
  return `<worksheet ${MAIN}><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>${columns.join("")}</cols><sheetData><row r="1">${titles.join("")}</row>`;
}

const turn = () => new Promise((done) => setTimeout(done));

// sheet: its name. names: of the columns. rows: objects of these. RangeError: a text does not fit into a cell.
export async function workbook(sheet, names, rows) {
  const pieces = [];
  const zip = new Zip((error, piece) => {
    if (error) throw error;
    pieces.push(piece);
  });
  const begin = (name) => {
    const file = new ZipDeflate(name);
    file.mtime = ZIP_TIME;
    zip.add(file);
    file.push(strToU8(HEAD));
    return file;
  };
  for (const [name, text] of partsOf(sheet)) begin(name).push(strToU8(text), true);
  const file = begin("xl/worksheets/sheet1.xml");
  file.push(strToU8(head(names, rows)));
  for (let at = 0; at < rows.length; at += ROWS_A_TURN) {
    file.push(strToU8(lines(names, rows, at, Math.min(at + ROWS_A_TURN, rows.length))));
    await turn();
  }
  file.push(strToU8("</sheetData></worksheet>"), true);
  zip.end();
  return new Blob(pieces, { type: TYPE + "sheet" });
}
