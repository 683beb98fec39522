// Unix seconds as a date of UTC, by whole numbers: no clock and no time zone of the browser takes part.

const two = (number) => String(number).padStart(2, "0");

// The civil date of a day since 1970-01-01, in the Gregorian calendar. Years begin in March here, so that a leap day
// is the last.
function dateOf(day) {
  const shifted = day + 719468; // since 0000-03-01
  const era = Math.floor(shifted / 146097);
  const ofEra = shifted - era * 146097;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36524) - Math.floor(ofEra / 146096)) / 365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * ofYear + 2) / 153); // 0: March
  const date = ofYear - Math.floor((153 * month + 2) / 5) + 1;
  const isNext = month >= 10;
  return [year + era * 400 + (isNext ? 1 : 0), month + (isNext ? -9 : 3), date];
}

// "1500220800" -> "2017-07-16 16:00:00 UTC". "": no time up to the year 9999.
export function utcOf(text) {
  if (!/^ *\d{1,12} *$/.test(text)) return "";
  const seconds = Number(text);
  if (seconds > 253402300799) return "";
  const [year, month, date] = dateOf(Math.floor(seconds / 86400));
  const rest = seconds % 86400;
  const clock = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60].map(two).join(":");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(date)} ${clock} UTC`;
}
