/** Zones, routes and neighbours as the core asks for them: geometry from src/model, per-device state here. */
import type { Call } from '../../rules/language/ast.js'
import type { Evaluate } from '../../rules/language/compile.js'
import type { DeviceRegistry } from '../model/registry.js'
import type { Zone } from '../model/zones.js'
import type { Judgement } from './judgement.js'

export class Places {
  readonly #j: Judgement
  constructor(j: Judgement) {
    this.#j = j
  }
  configure(_zones: ReadonlyMap<string, Zone>, _registry: DeviceRegistry): void {}
  zoneOf(_lat: number, _lon: number): string | undefined {
    return undefined
  }
  neighbours(_device: number, _k: number, _radius: number, _accept: (device: number) => boolean): readonly number[] {
    void this.#j
    return []
  }
  distance(latA: number, lonA: number, latB: number, lonB: number): number {
    const r = Math.PI / 180
    const a = Math.sin(((latB - latA) * r) / 2) ** 2 + Math.cos(latA * r) * Math.cos(latB * r) * Math.sin(((lonB - lonA) * r) / 2) ** 2
    return 2 * 6_371_008.8 * Math.asin(Math.min(1, Math.sqrt(a)))
  }
  save(): unknown {
    return null
  }
  load(_state: unknown): void {}
  call(_call: Call): Evaluate {
    return () => Number.NaN
  }
}
