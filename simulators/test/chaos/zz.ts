import { runDamage } from './damage.ts';
const [a,b]=[Number(process.argv[2]),Number(process.argv[3])];
let bad=0; const tot:any={lost:0,declared:0,salvages:0,rollbacks:0,failures:0,sent:0}; const t0=performance.now();
for(let s=a;s<=b;s++){ try{const o:any=runDamage(s); for(const k in tot) tot[k]+=o[k]; if(o.declared!==o.lost) console.log('OVER',s,JSON.stringify(o).slice(0,300)); if(process.argv[4]) console.log(s,JSON.stringify(o));}catch(e:any){bad++; if(bad<=Number(process.argv[5]??6)) console.log('seed',s,e.message.slice(0,300),e.constructor.name,e instanceof Error && e.name!=='Error'? '' : e.stack.split('\n').slice(1,7).join('\n'))}}
console.log({n:b-a+1,bad,...tot,ms:(performance.now()-t0)/(b-a+1)});
