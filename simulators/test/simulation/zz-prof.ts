import { runSchedule } from './schedule.ts';
const n = Number(process.argv[2] ?? 60);
for (const hasLoss of [false, true]) {
  const c0 = process.cpuUsage();
  for (let seed = 1; seed <= n; seed++) runSchedule({ seed, steps: 120, hasLoss });
  const c = process.cpuUsage(c0);
  console.log(hasLoss, ((c.user + c.system) / 1000 / n).toFixed(1), 'ms CPU per schedule');
}
