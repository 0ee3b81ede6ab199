import { type Device, type DeviceRegistry, deviceAttribute, type Site } from '../../src/model/registry.js'
import type { Expression, ValueType } from './ast.js'

/** Types of the registry's further attributes, by the first value met. O(devices), once a load. */
export function attributeTypes(registry: DeviceRegistry): ReadonlyMap<string, ValueType> {
  const types = new Map<string, ValueType>()
  for (const { attributes } of registry.devices.values())
    for (const name in attributes) {
      if (types.has(name)) continue
      const value = attributes[name]
      types.set(name, typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'text')
    }
  return types
}

type Value = number | string | boolean | undefined

/**
 * Value of a condition over one registered device, undefined where it is missing or needs a message: three-valued, so
 * `device.kind == 'river_gauge' and label == 'x'` is false for a camera, and undefined for a gauge.
 */
export function registryValue(e: Expression, device: Device, site: Site | undefined): Value {
  switch (e.kind) {
    case 'number':
    case 'duration':
    case 'boolean':
    case 'text':
      return e.value
    case 'name':
      if (e.name.of === 'device') {
        if (e.name.attribute === 'expected_interval') return device.expected_interval
        return deviceAttribute(device, e.name.attribute)
      }
      if (e.name.of === 'limit') return device.limit[e.name.limit]
      if (e.name.of === 'message' && e.name.field === 'device') return device.device
      if (e.name.of === 'site' && device.site !== undefined) {
        if (site === undefined)
          return e.name.attribute === 'name' || e.name.attribute === 'site' ? device.site : undefined
        return site[e.name.attribute as keyof Site]
      }
      return undefined
    case 'unary': {
      const value = registryValue(e.operand, device, site)
      if (value === undefined) return undefined
      return e.operator === 'not' ? !value : -value
    }
    case 'binary': {
      const left = registryValue(e.left, device, site)
      if (e.operator === 'and' && left === false) return false
      if (e.operator === 'or' && left === true) return true
      if (e.operator === 'in') {
        if (left === undefined || e.right.kind !== 'list') return undefined
        return (e.right.items as readonly Value[]).includes(left)
      }
      const right = registryValue(e.right, device, site)
      if (e.operator === 'and')
        return right === false ? false : left === undefined || right === undefined ? undefined : true
      if (e.operator === 'or')
        return right === true ? true : left === undefined || right === undefined ? undefined : false
      if (left === undefined || right === undefined) return undefined
      switch (e.operator) {
        case '==':
          return left === right
        case '!=':
          return left !== right
        case '<':
          return left < right
        case '<=':
          return left <= right
        case '>':
          return left > right
        case '>=':
          return left >= right
        default:
          return undefined
      }
    }
    default:
      return undefined
  }
}
