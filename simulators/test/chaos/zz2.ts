import { runHubDamage } from './hub-damage.ts';
const [a,b]=[Number(process.argv[2]),Number(process.argv[3])];
let bad=0,sal=0; const t0=performance.now();
for(let s=a;s<=b;s++){ try{const o=runHubDamage(s); sal+=o.salvages>0?1:0}catch(e:any){bad++; if(bad<8) console.log('seed',s,e.message.slice(0,250),e.constructor.name==='CheckFailed'?'':e.stack.split('\n').slice(1,7).join('\n'))}}
console.log({n:b-a+1,bad,sal,ms:(performance.now()-t0)/(b-a+1)});
