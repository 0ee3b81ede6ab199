/** Every text of the wall in both languages. A key without text shows itself, so that it is seen. Pure. */
import type { Lang } from './params.js'

const TEXTS = {
  live: { vi: 'TRỰC TIẾP', en: 'LIVE' },
  delayed: { vi: 'TRỄ', en: 'DELAYED' },
  backlog: { vi: 'ĐANG XỬ LÝ BÙ', en: 'CATCHING UP' },
  backlog_rest: { vi: 'còn {n}', en: '{n} left' },
  no_heartbeat: { vi: 'MẤT NHỊP', en: 'NO HEARTBEAT' },
  disconnected: { vi: 'MẤT KẾT NỐI', en: 'DISCONNECTED' },
  disconnected_detail: {
    vi: 'dữ liệu lúc {time} · đã cũ {age} · thử lại sau {retry} s',
    en: 'data of {time} · {age} old · next try in {retry} s',
  },
  resync: { vi: 'ĐANG ĐỒNG BỘ', en: 'RESYNC' },
  replay: { vi: 'XEM LẠI', en: 'REPLAY' },
  waiting: { vi: 'ĐANG CHỜ MÁY CHỦ', en: 'WAITING FOR THE SERVER' },
  waiting_since: { vi: 'từ {age}', en: 'for {age}' },
  skew: { vi: 'LỆCH GIỜ {n} s', en: 'CLOCK OFF BY {n} s' },
  feeds_down: { vi: 'MẤT NGUỒN', en: 'SOURCE DOWN' },
  data_age: { vi: 'dữ liệu', en: 'data' },
  data_none: { vi: 'chưa có dữ liệu', en: 'no data yet' },
  shelved: { vi: 'tạm gác {n}', en: 'shelved {n}' },
  alerts: { vi: 'Cảnh báo', en: 'Alerts' },
  no_alerts: { vi: 'Không có cảnh báo', en: 'No alerts' },
  more: { vi: 'nữa', en: 'more' },
  new: { vi: 'MỚI', en: 'NEW' },
  escalated: { vi: 'TĂNG MỨC', en: 'RAISED' },
  unknown: { vi: 'MẤT DỮ LIỆU', en: 'NO DATA' },
  unconfirmed: { vi: 'CHƯA XÁC NHẬN', en: 'UNCONFIRMED' },
  flapping: { vi: 'DAO ĐỘNG', en: 'FLAPPING' },
  acknowledged: { vi: 'đã xem', en: 'seen' },
  confirmed: { vi: 'đã xử lý', en: 'handled' },
  over: { vi: 'hết {time}', en: 'over {time}' },
  stale: { vi: 'CŨ {age}', en: 'OLD {age}' },
  no_charts: { vi: 'Chờ dữ liệu để vẽ', en: 'Waiting for data to draw' },
  critical: { vi: 'Khẩn cấp', en: 'Critical' },
  high: { vi: 'Cao', en: 'High' },
  medium: { vi: 'Trung bình', en: 'Medium' },
  low: { vi: 'Thấp', en: 'Low' },
  now: { vi: 'vừa xong', en: 'now' },
  seconds: { vi: '{n} s', en: '{n} s' },
  minutes: { vi: '{n} ph', en: '{n} min' },
  hours: { vi: '{h} h {m} ph', en: '{h} h {m} min' },
  days: { vi: '{d} ng {h} h', en: '{d} d {h} h' },
  wrong_address: { vi: 'Địa chỉ sai', en: 'The address is wrong' },
  allowed: { vi: 'cho phép', en: 'allowed' },
  enrol: { vi: 'Màn hình này chưa được đăng ký', en: 'This screen is not enrolled' },
  enrol_code: {
    vi: 'Người trực nhập mã này một lần để cho phép:',
    en: 'An operator types this code once to let it in:',
  },
  enrol_token: { vi: 'hoặc dán mã truy cập tại đây', en: 'or paste a token here' },
  enrol_enter: { vi: 'Vào', en: 'Enter' },
  enrol_wrong: { vi: 'Mã truy cập không đúng', en: 'This token is not known' },
  small_rows: {
    vi: 'Chữ quá lớn cho màn hình này: chỉ còn {n} dòng cảnh báo',
    en: 'The text is too large for this screen: only {n} alert rows fit',
  },
} as const satisfies Record<string, Record<Lang, string>>

export type TextKey = keyof typeof TEXTS

/** Text of `key` with `{name}` filled in. */
export type Translate = (key: TextKey, values?: Readonly<Record<string, string | number>>) => string

export function translator(lang: Lang): Translate {
  return (key, values = {}) =>
    (TEXTS[key]?.[lang] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** For the test that no key lacks a language. */
export const TEXT_KEYS = Object.keys(TEXTS) as readonly TextKey[]
