/**
 * Ledger time as people write it (ISO 8601, UTC). Pure code has no Date, which is also the clock.
 */

const DAY_MS = 86_400_000;
/** The last day that Date knows; times are hostile until they are verified. */
const DAYS_MAX = 100_000_000;

const pad = (value: number, digits: number): string => String(value).padStart(digits, "0");

/**
 * Milliseconds since the Unix epoch, 0 to 2^53 - 1, as Date.prototype.toISOString writes them; what no
 * Date can have as its number. Days to dates as in Howard Hinnant's civil_from_days.
 */
export const isoTime = (ms: number): string => {
  const days = Math.floor(ms / DAY_MS);
  if (days >= DAYS_MAX) return `${ms} ms`;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const left = ms - days * DAY_MS;
  const hours = pad(Math.floor(left / 3_600_000), 2);
  const minutes = pad(Math.floor(left / 60_000) % 60, 2);
  const seconds = `${pad(Math.floor(left / 1000) % 60, 2)}.${pad(left % 1000, 3)}`;
  const years = year > 9999 ? `+${pad(year, 6)}` : pad(year, 4);
  return `${years}-${pad(month, 2)}-${pad(day, 2)}T${hours}:${minutes}:${seconds}Z`;
};
