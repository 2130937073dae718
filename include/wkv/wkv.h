/* wkv/wkv.h - all of the library's public interface. */
#ifndef WKV_WKV_H
#define WKV_WKV_H

#include <wkv/adapter.h>
#include <wkv/batch.h>
#include <wkv/events.h>
#include <wkv/file.h>
#include <wkv/model.h>
#include <wkv/prepare.h>
#include <wkv/quantize.h>
#include <wkv/sampler.h>
#include <wkv/session.h>
#include <wkv/status.h>
#include <wkv/tokenizer.h>
#include <wkv/train.h>
#include <wkv/unstable.h>
#include <wkv/version.h>

#endif
