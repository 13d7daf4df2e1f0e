#!/usr/bin/env node
import { launch } from '@fogline/shared/launch';

await launch(new URL('./program.ts', import.meta.url));
