// Counts what the HTTP doors answered, and prints it in Prometheus' text form. Labels are routes and codes, never paths or
// names from outside, so their number stays small.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Series {
  count: number;
  sum: number;
  readonly buckets: number[];
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Series>();
  readonly #delay = monitorEventLoopDelay({ resolution: 20 });

  constructor() {
    this.#delay.enable();
  }

  /** Counts one answer; `door` such as `rest`, `seconds` from request to its end. */
  observe(door: string, method: string, status: number, seconds: number): void {
    const labels = `door="${door}",method="${method}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
    let series = this.#durations.get(door);
    if (!series) {
      series = { count: 0, sum: 0, buckets: BUCKETS.map(() => 0) };
      this.#durations.set(door, series);
    }
    series.count += 1;
    series.sum += seconds;
    for (let index = BUCKETS.length - 1; index >= 0 && seconds <= BUCKETS[index]!; index -= 1)
      series.buckets[index]! += 1;
  }

  /** Stops measuring the event loop. */
  stop(): void {
    this.#delay.disable();
  }

  /** The text of `/-/metrics`; `gauges` are further values that the caller knows, by name. */
  text(gauges: Readonly<Record<string, number>> = {}): string {
    const lines = ['# TYPE keyward_http_requests_total counter'];
    for (const [labels, count] of this.#requests) lines.push(`keyward_http_requests_total{${labels}} ${count}`);
    lines.push('# TYPE keyward_http_request_duration_seconds histogram');
    for (const [door, { count, sum, buckets }] of this.#durations) {
      const name = 'keyward_http_request_duration_seconds';
      for (const [index, limit] of BUCKETS.entries())
        lines.push(`${name}_bucket{door="${door}",le="${limit}"} ${buckets[index]}`);
      lines.push(`${name}_bucket{door="${door}",le="+Inf"} ${count}`, `${name}_sum{door="${door}"} ${sum}`);
      lines.push(`${name}_count{door="${door}"} ${count}`);
    }
    const memory = process.memoryUsage();
    const all: Record<string, number> = {
      process_resident_memory_bytes: memory.rss,
      nodejs_heap_size_used_bytes: memory.heapUsed,
      nodejs_eventloop_lag_p99_seconds: this.#delay.percentile(99) / 1e9,
      process_uptime_seconds: process.uptime(),
      ...gauges,
    };
    for (const [name, value] of Object.entries(all)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
    return `${lines.join('\n')}\n`;
  }
}
