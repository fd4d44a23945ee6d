/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_decay.h"

/* round(2^32 * 2^(-i / 32)) */
const uint64_t risk_decay_coarse[32] = { 4294967296ull, 4202935003ull, 4112874773ull, 4024744348ull,
	3938502376ull, 3854108391ull, 3771522796ull, 3690706840ull, 3611622603ull, 3534232978ull,
	3458501653ull, 3384393094ull, 3311872529ull, 3240905930ull, 3171459999ull, 3103502151ull,
	3037000500ull, 2971923842ull, 2908241642ull, 2845924021ull, 2784941738ull, 2725266179ull,
	2666869345ull, 2609723834ull, 2553802834ull, 2499080105ull, 2445529972ull, 2393127307ull,
	2341847524ull, 2291666561ull, 2242560872ull, 2194507417ull };

/* round(2^32 * 2^(-i / 1,024)) */
const uint64_t risk_decay_fine[32] = { 4294967296ull, 4292061010ull, 4289156690ull, 4286254336ull,
	4283353945ull, 4280455518ull, 4277559051ull, 4274664544ull, 4271771996ull, 4268881406ull,
	4265992771ull, 4263106091ull, 4260221365ull, 4257338590ull, 4254457766ull, 4251578891ull,
	4248701965ull, 4245826985ull, 4242953951ull, 4240082861ull, 4237213713ull, 4234346507ull,
	4231481241ull, 4228617914ull, 4225756525ull, 4222897072ull, 4220039553ull, 4217183969ull,
	4214330316ull, 4211478595ull, 4208628803ull, 4205780940ull };

uint64_t risk_decay(uint64_t value, uint64_t steps)
{
	if (steps == 0)
		return value;
	if (steps >= 63ull * RISK_STEPS_PER_HALF_LIFE)
		return 0;

	uint64_t factor = risk_decay_part(steps);
	unsigned __int128 product = (unsigned __int128)value * factor;

	return (uint64_t)(product >> (32 + steps / RISK_STEPS_PER_HALF_LIFE));
}
