// Figures over time, kept by the page while it is open: one ring of samples a series.
import type { Cluster } from './types';

export type Sample = { at: number; values: number[] };
const KEEP = 900;
const rings = new Map<string, Sample[]>();

export function sample(name: string, at: number, values: number[]) {
  let ring = rings.get(name);
  if (!ring) rings.set(name, ring = []);
  const last = ring[ring.length - 1];
  if (last && at - last.at < 500) return ring;
  ring.push({ at, values });
  if (ring.length > KEEP) ring.shift();
  return ring;
}
export const flows = (c: Cluster) => [c.use.ingress_bytes_per_s, c.use.egress_bytes_per_s, c.use.connections];
// The highest that was seen of one of the values.
export const peak = (name: string, at: number) => (rings.get(name) || []).reduce((top, s) => Math.max(top, s.values[at]), 0);
export const samples = (name: string) => rings.get(name) || [];
