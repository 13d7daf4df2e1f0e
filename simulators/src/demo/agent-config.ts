/** The configuration that the demo's agent runs on; also a first example to copy from. */

export interface DemoAgent {
  readonly id: string;
  /** Of the local MQTT broker; 0 = any free one. */
  readonly mqttPort: number;
  /** `host:port` of the hub. */
  readonly hubMqtt: string;
}

/** YAML. Paths are relative to the file. */
export function agentConfigText({ id, mqttPort, hubMqtt }: DemoAgent): string {
  return `# Written by "fogline-sim demo" at every start.
version: 1
agent:
  id: ${id}
sources:
  climate:
    mqtt:
      listen: 127.0.0.1:${mqttPort}
      topics: ["sensors/{device}/climate"]
    parse:
      json:
        temperature: { field: temp, unit: "°C" }
        humidity: { field: hum, unit: "%" }
      time: { field: ts, unit: ms }
pipelines:
  live:
    from: climate
  stats:
    from: climate
    window: { every: 10s, compute: [mean, min, max, count, p95] }
    send: { priority: high }
buffer:
  path: ./agent
  commit: prompt
uplinks:
  hub:
    mqtt: { url: "mqtt://${hubMqtt}" }
    token: { file: ./agent.token }
local:
  http: 127.0.0.1:0
`;
}
