// `keyward serve` with a watch on its main loop: a timer of one millisecond notes how long each turn took, in time and in CPU of
// this thread. Asked over the channel to its parent, it says the longest of both and begins anew.
import { serve } from '../src/cli/serve.ts';

let [wall, cpu] = [0, 0];
let [lastWall, lastCpu] = [performance.now(), cpuNow()];

function cpuNow(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

setInterval(() => {
  const [nowWall, nowCpu] = [performance.now(), cpuNow()];
  wall = Math.max(wall, nowWall - lastWall - 1);
  cpu = Math.max(cpu, nowCpu - lastCpu);
  [lastWall, lastCpu] = [nowWall, nowCpu];
}, 1).unref();

process.on('message', () => {
  process.send?.({ wall, cpu });
  [wall, cpu] = [0, 0];
});
process.exitCode = await serve([]);
process.disconnect?.();
