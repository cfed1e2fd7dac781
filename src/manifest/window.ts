/** A day of the week as policies write it. */
export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';

/** When a tier may move by itself: wall-clock times in one IANA time zone. */
export interface Window {
  readonly days: readonly Day[];
  /** `09:00`, inclusive. */
  readonly from: string;
  /** `17:00`, exclusive; absent: to the end of the day. */
  readonly to?: string;
  /** `Europe/Berlin` */
  readonly zone: string;
}
