#include "generator/cli/picture/stroke_font.h"

#include <algorithm>
#include <string_view>

namespace attune::cli {
namespace {

/// Two digits a point, a space between strokes; a stroke of one point twice is a dot. From ' ' to '~'.
// clang-format off
const char *const ascii[] = {
    "", "0004 0606", "0002 2022", "1016 3036 0242 0444", "413010010213334445361605 2026", "0010110100 3545463635 4006",
    "4612112031320405162644", "0002", "2011031526", "0011231506", "2125 0244 0442", "2125 0343", "1607", "0333", "0606", "4006",
    "102031352616050110", "012026 0646", "01103041420646", "01103041423313 334445361605", "36300444", "40000312324345361605",
    "413010010516364544331304", "004016", "103041423313020110 3344453616050413", "051636454130100102133342", "0303 0606", "1313 1607",
    "410345", "0242 0444", "014305", "01103041422324 2626", "453616050110304144242242", "062046 1434", "00063645443303 3342413000",
    "4130100105163645", "00062644422000", "40000646 0333", "400006 0333", "41301001051636454323", "0006 4046 0343", "1016 0020 0626",
    "4045361605", "0006 4004 1346", "000646", "0600244046", "06004640", "103041453616050110", "06003041423303", "103041453616050110 2446",
    "06003041423303 2346", "413010010213334445361605", "0040 2026", "000516364540", "002640", "0016233640", "0046 4006", "002340 2326",
    "00400646", "20000626", "0046", "00202606", "022042", "0747", "0011", "4246 4332120305163645", "0006 0312324345361605",
    "4332120305163645", "4046 4332120305163645", "04444332120305163645", "30201116 0232", "4247381807 4332120305163645",
    "0006 0312324346", "0206 0000", "121708 1010", "0006 3205 1436", "000516", "0206 03122326 23324346", "0206 0312324346",
    "123243453616050312", "0208 0312324345361605", "4248 4332120305163645", "0206 031232", "43321203143445361605", "10152636 0232",
    "0205163645 4246", "022642", "0216243642", "0246 4206", "0226 4218", "02420646", "20111203141526", "0008", "00111223141506",
    "03123443"};
// clang-format on
static_assert(std::size(ascii) == '~' - ' ' + 1);

std::string_view strokes_of(uint32_t code_point) {
    if (code_point >= ' ' && code_point <= '~')
        return ascii[code_point - ' '];
    switch (code_point) {
    case 0x00B5:  // micro
        return "0208 05163645 4246";
    case 0x00B7:  // middle dot
        return "0404";
    case 0x00D7:  // times
        return "0345 4305";
    case 0x2013:  // dash
        return "0343";
    case 0x2026:  // ellipsis
        return "0606 2626 4646";
    case 0x2190:  // arrows
        return "0444 220426";
    case 0x2192:
        return "0444 224426";
    case 0x2581:  // a space before a word, as SentencePiece writes it
        return "0747";
    default:
        return "0040460600";
    }
}

}  // namespace

Glyph stroke_glyph(uint32_t code_point) {
    Glyph glyph;
    const std::string_view text = strokes_of(code_point);
    if (text.empty()) {
        glyph.width = 2;
        return glyph;
    }
    glyph.strokes.emplace_back();
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == ' ') {
            glyph.strokes.emplace_back();
            continue;
        }
        const int x = text[i] - '0', y = text[++i] - '0';
        glyph.strokes.back().emplace_back(x, y);
        glyph.width = std::max(glyph.width, x);
    }
    return glyph;
}

}  // namespace attune::cli
