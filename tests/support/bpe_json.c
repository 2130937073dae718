/* support/bpe_json.c - see bpe_json.h.  The id of a single byte is the byte.  GPT-2's
 * map is made here from its definition, not with the code under test. */
#include "support/bpe_json.h"

void bpe_json_make(wkv_strbuf *b)
{
    wkv_strbuf_puts(b, "{\"version\": \"1.0\", \"truncation\": null, \"added_tokens\": [\n");
    wkv_strbuf_printf(b, "{\"id\": %d, \"special\": true, \"content\": \"<|end|>\", ", BPE_END);
    wkv_strbuf_puts(b, "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                       "\"normalized\": false},\n");
    wkv_strbuf_printf(b, "{\"id\": %d, \"special\": false, \"content\": \"  \"},\n", BPE_TWO);
    wkv_strbuf_printf(b, "{\"id\": %d, \"content\": \"    \", \"normalized\": true}],\n", BPE_FOUR);
    wkv_strbuf_puts(b, "\"normalizer\": {\"type\": \"NFC\"},\n");
    wkv_strbuf_puts(b, "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                       "\"trim_offsets\": true},\n");
    wkv_strbuf_puts(b, "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"vocab\": {\n");
    for (unsigned byte = 0, moved = 0; byte < 256; byte++) {
        bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
        wkv_strbuf_printf(b, "\"\\u%04x\": %u,\n", printable ? byte : 0x100 + moved++, byte);
    }
    wkv_strbuf_printf(b, "\"th\": %d, \"the\": %d, \"\\u0120the\": %d, \"aa\": %d, \"aaaa\": %d",
                      BPE_TH, BPE_THE, BPE_SPACE_THE, BPE_AA, BPE_AAAA);
    wkv_strbuf_puts(b, "},\n\"merges\": [\"t h\", [\"th\", \"e\"], \"\\u0120 the\", \"a a\", "
                       "\"aa aa\"]}}\n");
}
