#!/usr/bin/env node
import { cacheCompiled } from '@fogline/shared/cli-cache';

cacheCompiled();
const { main } = await import('@fogline/shared/cli');
const { program } = await import('./program.ts');

await main(program);
