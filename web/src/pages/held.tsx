// For how long quotas held somebody back: now, in the last minute, in the last hour.
import { count } from '../format';
import type { HeldBack } from '../types';

const waited = (ms: number) => (ms < 1000 ? `${count(ms)} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60000).toFixed(1)} m`);

// since: of what is not kept over time, all of it since the broker started.
export function Held({ use, since }: { use: HeldBack; since?: number }) {
  const { throttle_ms_per_s: now, throttled_ms_last_minute: minute, throttled_ms_last_hour: hour } = use;
  const past = hour === null && since !== undefined ? (since ? `${waited(since)} since its broker started` : '') : hour === null ? 'not known before' : hour === 0 ? '' : `${waited(minute ?? 0)} in the last minute, ${waited(hour)} in the last hour`;
  return (
    <span title="Time for which a quota held it back; what waits at the same moment counts once. Minutes that are over.">
      {now > 0 ? <span class="badge warn">{count(now)} ms a second</span> : past ? 'not now' : <span class="quiet-ink">no</span>}
      {past && <small>{past}</small>}
    </span>
  );
}
