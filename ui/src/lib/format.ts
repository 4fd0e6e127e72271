/** Numbers, times and sizes as people read them. Every number that the console shows comes through here. */

const INTEGER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const MINUS = "−";

/** Figures after the point that a column of numbers needs, so that all stand under each other. */
export function fractionDigits(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  if (finite.every(Number.isInteger)) return 0;
  const largest = Math.max(...finite.map(Math.abs));
  if (largest >= 1000) return 1;
  if (largest >= 100) return 2;
  if (largest >= 10) return 3;
  return 4;
}

/** A number with so many figures after the point; thousands are set apart. */
export function fixed(value: number, digits: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits) return exponent(value);
  const shown = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return value < 0 ? MINUS + shown : shown;
}

/** A number by itself: whole ones whole, others with four significant figures. */
export function number(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return (value < 0 ? MINUS : "") + INTEGER.format(Math.abs(value));
  if (!Number.isFinite(value)) return fixed(value, 0);
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e15) return exponent(value);
  if (size >= 1000) return fixed(value, 1);
  return fixed(value, Math.max(0, 3 - Math.floor(Math.log10(size))));
}

function exponent(value: number): string {
  const [mantissa = "0", power = "0"] = Math.abs(value).toExponential(2).split("e");
  return `${value < 0 ? MINUS : ""}${mantissa}e${power.replace("+", "").replace("-", MINUS)}`;
}

/** A difference, always with its sign. */
export function signed(value: number, digits = 4): string {
  if (value === 0) return "0";
  return (value > 0 ? "+" : "") + fixed(value, digits);
}

/** A share of one as percent. */
export function percent(share: number, digits = 1): string {
  const least = 10 ** -digits;
  return share > 0 && share * 100 < 0.5 * least ? `< ${least} %` : `${fixed(share * 100, digits)} %`;
}

/** A p value: never a row of zeros. */
export function pValue(p: number): string {
  return p < 0.001 ? "< 0.001" : fixed(p, 3);
}

/** An interval from its ends. */
export function interval(low: number, high: number, digits = 4): string {
  return `[${fixed(low, digits)}, ${fixed(high, digits)}]`;
}

/** Bytes in the unit that leaves up to three figures before the point. */
export function bytes(size: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  let value = size;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[at] ?? "B"}`;
}

/** Seconds as a duration. */
export function duration(seconds: number): string {
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}

/** How long ago something was, in one unit. Both are seconds since the epoch. */
export function age(then: number, now: number): string {
  const seconds = Math.max(0, now - then);
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 30 * 86_400) return `${Math.round(seconds / 86_400)} d ago`;
  return date(then);
}

/** Day and time, where the reader is. Seconds since the epoch. */
export function date(seconds: number): string {
  const at = new Date(seconds * 1000);
  const two = (each: number): string => String(each).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** A count with its noun: `1 row`, `1,319 rows`. */
export function count(of: number, noun: string, plural = `${noun}s`): string {
  return `${number(of)} ${of === 1 ? noun : plural}`;
}

/** The beginning of an id, as the command line shows it. */
export function short(id: string): string {
  return id.slice(0, 12);
}
