import { Facts } from './facts.ts';
import { runSchedule } from './schedule.ts';

const [from, to, loss] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4] === 'loss'];
const facts = new Facts();
let bad = 0;
for (let seed = from; seed <= to; seed++) {
  try {
    facts.addAll(runSchedule({ seed, steps: 120, hasLoss: loss }).facts);
  } catch (e) {
    bad++;
    console.log(
      'seed',
      seed,
      (e as Error).message.slice(0, 300),
      bad < 3 ? (e as Error).stack?.split('\n').slice(1, 6).join('\n') : '',
    );
    if (bad > 8) break;
  }
}
for (const [k, v] of facts.counts) console.log(String(v).padStart(7), k);
