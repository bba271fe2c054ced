// Figures as people read them. Money is exact until it is shown: picodollars as BigInt.

const PICO = 1_000_000_000_000n;
const whole = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const moment = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const NONE = '–';

export const count = (value: number): string => whole.format(value);
export const time = (ms: number): string => clock.format(ms);
export const dateTime = (ms: number): string => moment.format(ms);

/** 950 ms, 1.24 s, 2 m 05 s */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60_000)} m ${String(Math.round((ms % 60_000) / 1000)).padStart(2, '0')} s`;
}

/** A share as per cent; a dash of nothing. */
export function share(part: number, all: number): string {
  if (all === 0) return NONE;
  const percent = (part / all) * 100;
  return `${percent === 0 || percent === 100 ? percent : percent.toFixed(1)} %`;
}

export const picousd = (value: string | number | bigint | null | undefined): bigint => BigInt(value ?? 0);

/** Decimals that show an amount with about three figures. */
export function moneyDigits(largest: bigint): number {
  if (largest >= PICO) return 2;
  if (largest >= PICO / 100n) return 4;
  return 6;
}

/** Dollars, rounded to so many decimals; what is there but too small is shown as less than the smallest step. */
export function money(amount: bigint, digits = moneyDigits(amount)): string {
  const step = PICO / 10n ** BigInt(digits);
  if (amount > 0n && amount * 2n < step) return `<$${decimal(1n, digits)}`;
  return `$${decimal((amount + step / 2n) / step, digits)}`;
}

function decimal(steps: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  const rest = digits ? `.${String(steps % unit).padStart(digits, '0')}` : '';
  return `${whole.format(steps / unit)}${rest}`;
}

/** A list's amounts with the same decimals, so that they stand under each other. */
export function moneyColumn<T>(rows: readonly T[], amount: (row: T) => bigint): (row: T) => string {
  const largest = rows.reduce((most, row) => (amount(row) > most ? amount(row) : most), 0n);
  const digits = moneyDigits(largest);
  return row => money(amount(row), digits);
}

/** The visible beginning of an opaque id. */
export const short = (id: string, length = 10): string => (id.length > length ? `${id.slice(0, length)}…` : id);

/** Whole days between a day and now. */
export function ageInDays(day: string, nowMs: number): number | undefined {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.floor((nowMs - at) / 86_400_000));
}
